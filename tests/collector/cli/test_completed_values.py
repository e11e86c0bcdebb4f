"""Bash, zsh and fish complete values by what a running collector knows, and whatever a name holds is one word."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from flowtrail_collector.cli._app import cli
from httpkit import Answer, Asked, as_json, serving
from servers import free_port

pytestmark = [pytest.mark.slow(60)]

TOKEN = "t" * 24
WILD = [
    "o b",
    "o$(touch hacked)",
    "o'brien",
    "o,eu",
    "o;id",
    "o*",
    "oé",
    'o"x',
    "o\\t",
    "o`id`",
    "o-plain",
    "o:a",
]
UNTYPED = ["o\n", "o\x1b[31m", "o" * 300]
ANSWERS: dict[str, Any] = {
    "/api/v1/lag": {"groups": [{"group": name} for name in [*WILD, *UNTYPED, "-o", *(f"many-{n}" for n in range(300))]]},
    "/api/v1/flows": {
        "flows": [
            {"name": "fulfilment", "steps": [{"name": "charge"}, {"name": "ship"}]},
            {"name": "returns", "steps": [{"name": "refund"}]},
        ]
    },
    "/api/v1/topics": {
        "topics": [
            {"topic": "orders", "dead_letters": False},
            {"topic": "orders.billing.dlq", "dead_letters": True},
        ]
    },
    "/api/v1/dead-letters/causes": {
        "causes": [{"cause": "1ea5a6b4", "group": "billing", "error_type": "CardError", "message": "no card\nfor *"}]
    },
    "/api/v1/dead-letters": {
        "dead_letters": [
            {"topic": "orders.billing.dlq", "partition": 0, "offset": 7, "group": None, "error_type": None}
        ]
    },
    "/api/v1/sagas/causes": {"causes": [{"cause": "77aa", "flow": "fulfilment", "text": "charge waits for billing"}]},
    "/api/v1/sagas": {"sagas": [{"subject": "ORD-7", "key": "flow-7", "flow": "fulfilment", "outcome": "open"}]},
    "/api/v1/search": {"found": [{"id": "ORD-1", "flow": "fulfilment", "outcome": "open"}]},
    "/api/v1/redrives": {"redrives": [{"id": "r-12", "state": "done"}]},
}  # fmt: skip


def answer(asked: Asked) -> Answer:
    if asked.headers["authorization"] != f"Bearer {TOKEN}":
        return as_json("<html>", 401)
    known = ANSWERS.get(asked.path)
    return as_json(known) if known else as_json("<html>", 404)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(answer) as url:
        yield url


BASH = r"""
eval "$(flowtrail completion bash)"
while IFS= read -r COMP_LINE; do
    COMP_POINT=${#COMP_LINE}; COMPREPLY=()
    _flowtrail_completion flowtrail
    for word in "${COMPREPLY[@]}"; do eval "set -- $word"; printf '%s,' "$#:$1"; done
    echo
done
"""
ZSH = r"""
autoload -Uz compinit && compinit -u -D
eval "$(flowtrail completion zsh)"
_describe() { for each in "${(@P)3}"; do printf '1:%s,' "${${each%%:*}//\\:/:}"; done }
compadd() { shift $(( ${@[(i)-a]} )); for each in "${(@P)1}"; do printf '1:%s,' "$each"; done }
while IFS= read -r line; do
    words=("${(@z)line}"); [[ $line == *" " ]] && words+=("")
    CURRENT=$#words
    _flowtrail_completion flowtrail
    echo
done
"""
FISH = r"""
source (flowtrail completion fish | psub)
while read line
    for word in (complete -C $line)
        printf '1:%s,' (string split --max 1 \t -- $word)[1]
    end
    echo
end
"""
SHELLS = {"bash": (["--norc"], BASH), "zsh": (["-f"], ZSH), "fish": (["--no-config"], FISH)}


@pytest.fixture(params=list(SHELLS))
def shell(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} isn't installed")
    return str(request.param)


def completed(shell: str, lines: list[str], folder: Path, url: str, token: str = TOKEN) -> list[list[str]]:
    """What a shell offers for each line: words, each as it comes out when it is read again."""
    flags, script = SHELLS[shell]
    environment = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder),
        "FLOWTRAIL_COLLECTOR_URL": url, "FLOWTRAIL_TOKEN": token, "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    done = subprocess.run(
        [shell, *flags, "-c", script], input="".join(line + "\n" for line in lines), env=environment, cwd=folder,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert TOKEN not in done.stdout
    assert list(folder.glob("*hacked*")) == []
    found = [[each for each in line.split(",1:") if each] for line in done.stdout.split("\n")[:-1]]
    return [[each.removeprefix("1:").removesuffix(",") for each in line] for line in found]


LINES = {
    "flowtrail stuck --flow ful": {"fulfilment"},
    "flowtrail stuck --flow returns --step ": {"refund"},
    "flowtrail sagas --step s": {"ship"},
    "flowtrail sagas --cause ": {"77aa"},
    "flowtrail dlq list --topic ": {"orders.billing.dlq"},
    "flowtrail dlq list --source o": {"orders"},
    "flowtrail dlq redrive --cause 1": {"1ea5a6b4"},
    "flowtrail dlq redrive --error C": {"CardError"},
    "flowtrail dlq show ord": {"orders.billing.dlq/0@7"},
    "flowtrail trace ORD": {"ORD-1"},
    "flowtrail trace ": {"ORD-7"},
    "flowtrail lag --group nobody": set(),
}


def offered(line: str) -> list[str]:
    """What completes a line, before a shell gets it."""
    *words, begun = line.split(" ")
    return [item.value for item in ShellComplete(cli, {}, "flowtrail", "X").get_completions(words[1:], begun)]


@pytest.mark.parametrize(("line", "expected"), LINES.items())
def test_values_come_from_the_collector(
    line: str, expected: set[str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWTRAIL_TOKEN", TOKEN)
    monkeypatch.setenv("FLOWTRAIL_COLLECTOR_URL", url)
    assert set(offered(line)) == expected


def test_no_more_than_anybody_reads(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWTRAIL_TOKEN", TOKEN)
    found = offered(f"flowtrail lag --url {url} --group many-2")
    assert len(found) == 100
    assert all(name.startswith("many-2") for name in found)


@pytest.mark.parametrize("wrong", ["token", "nobody", "no url", "elsewhere"])
def test_without_a_collector_there_are_no_values_and_no_words(
    wrong: str, url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    where = {"nobody": f"http://127.0.0.1:{free_port()}", "no url": "::::", "elsewhere": f"{url}/elsewhere"}
    monkeypatch.setenv("FLOWTRAIL_TOKEN", "wrong" if wrong == "token" else TOKEN)
    monkeypatch.setenv("FLOWTRAIL_COLLECTOR_URL", where.get(wrong, url))
    assert offered("flowtrail lag --group o") == []
    assert offered("flowtrail lag --wat") == ["--watch"]
    assert capfd.readouterr() == ("", "")


def test_a_collector_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("FLOWTRAIL_COLLECTOR_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        assert offered("flowtrail lag --group o") == []


def test_whatever_a_name_holds_it_is_one_word_and_runs_nothing(shell: str, tmp_path: Path, url: str) -> None:
    lines = ["flowtrail lag --group o", "flowtrail lag --group o:", "flowtrail stuck --flow returns --step "]
    words, after_colon, steps = completed(shell, lines, tmp_path, url)
    assert sorted(words) == sorted(WILD)
    # Bash takes words apart at colons, and only puts the last part into the line.
    assert after_colon == (["a"] if shell == "bash" else ["o:a"])
    assert steps == ["refund"]


def test_a_shell_that_finds_no_collector_says_nothing(shell: str, tmp_path: Path) -> None:
    where = f"http://127.0.0.1:{free_port()}"
    assert completed(shell, ["flowtrail lag --group o"], tmp_path, where) == [[]]
