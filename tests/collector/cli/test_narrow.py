"""On a terminal of any width every id can be copied: it stands on one line, whole, and no word is broken."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys

import pytest
from rich.cells import cell_len

from flowtrail_collector.cli import main
from flowtrail_collector.cli._trail_view import PUBLISHED
from screenkit import (
    GROUP_NAMES,
    IDS,
    PLACES,
    SAID,
    SERVICES,
    TOPIC_NAMES,
    TOPICS,
    TRAIL,
    TYPES,
    WORDS,
    asked,
    collector,
    on_a_terminal,
)  # fmt: skip
from trailkit.web import served

pytestmark = pytest.mark.slow(0.3)

WIDTHS = (60, 80, 200)
OF_TRAIL = [
    *(name for kind in ("subjects", "correlation_ids", "trace_ids") for name in TRAIL[kind][:3]),
    *TRAIL["services"],
    *(f"{entry['topic']}/0@{entry['offset']}" for entry in TRAIL["entries"] if entry["kind"] in PUBLISHED),
]
COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "sagas": (["sagas"], IDS),
    "sagas --stuck": (["sagas", "--stuck"], IDS),
    "dlq list": (["dlq", "list"], [*IDS, *PLACES]),
    "dlq causes": (["dlq", "causes"], [*SAID, *PLACES]),
    "dlq show": (["dlq", "show", "t/0@1"], [*IDS, PLACES[0]]),
    "dlq show ID": (["dlq", "show", IDS[2]], [*IDS, *PLACES]),
    "dlq jobs": (["dlq", "jobs"], IDS),
    "dlq audit": (["dlq", "audit"], [*IDS, PLACES[0]]),
    "dlq redrive": (["dlq", "redrive", "--all", "--dry-run"], [*TOPICS, *(f"shop.errors.{kind}Error" for kind in TYPES)]),
    "lag": (["lag"], [*GROUP_NAMES, *TOPIC_NAMES]),
    "lag --group": (["lag", "--group", "one"], [*GROUP_NAMES[:1], *TOPIC_NAMES]),
    "top": (["top", "--once"], [*SERVICES, *IDS, *GROUP_NAMES]),
    "trace": (["trace", "one"], OF_TRAIL),
    "trace of several": (["trace", "many"], IDS),
    "flows diff": (["flows", "diff", "docs/flows/booking.yaml", "docs/flows/booking.yaml"], [*SERVICES, *TYPES[:3]]),
    "flows check": (["flows", "check", "docs/flows/children.yaml"], ["docs/flows/children.yaml"]),
    "flows try": (["flows", "try", "docs/flows/credit.yaml", "docs/flows/credit.txt"], []),
    "contracts check": (["contracts", "check", "{contracts}/old", "{contracts}/new"], TYPES),
    "doctor": (["doctor"], [*TOPIC_NAMES[:1]]),
    "not found": (["trace", "-".join(WORDS)], ["-".join(WORDS)]),
    "wrong option": (["sagas", "--outcome", "-".join(WORDS)], ["-".join(WORDS)]),
    "wrong file": (["flows", "check", "/".join(WORDS)], ["/".join(WORDS)]),
}  # fmt: skip
OFFLINE = {"contracts check", "flows check", "flows try", "wrong file"}
# Several commands in one process: starting Python takes far longer than each of them.
PROGRAM = """
import json, sys
from flowtrail_collector.cli import main
for arguments in json.loads(sys.argv[1]):
    main(arguments)
    sys.stderr.flush()
    print("\\x1e", flush=True)
"""


@pytest.fixture(scope="module")
def url():
    with served(collector()) as url:
        yield url


@pytest.fixture(scope="module")
def contracts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    for state, kind in (("old", "string"), ("new", "integer")):
        for name in TYPES:
            (folder / state / name).mkdir(parents=True)
            schema = {"type": "object", "properties": {"amount_in_cents": {"type": kind}}}
            (folder / state / name / "1.json").write_text(json.dumps(schema), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def screens(url, contracts):
    def commands():
        for name, (arguments, _) in COMMANDS.items():
            asked = [] if name in OFFLINE else ["--url", url]
            yield [*(word.replace("{contracts}", str(contracts)) for word in arguments), *asked]

    @functools.cache
    def lines(width: int) -> dict[str, list[str]]:
        text = on_a_terminal(["-c", PROGRAM, json.dumps([*commands()])], width)
        *parts, _ = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).split("\x1e\n")
        return dict(zip(COMMANDS, (part.splitlines() for part in parts), strict=True))

    return lines


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_ids_are_never_broken_over_lines(screens, command, width):
    _, ids = COMMANDS[command]
    lines = screens(width)[command]
    words = {word.strip("\"',;:()") for line in lines for word in line.split()}
    if command == "top":  # its screen has no line that is too long: such a name goes over several
        ids = [name for name in ids if len(name) <= width]
    said = " ".join(words)
    assert [name for name in ids if name not in words and name not in said] == []
    too_long = [line for line in lines if cell_len(line) > width and len(line.split()) > 1]
    assert too_long == []


@pytest.mark.parametrize("width", WIDTHS)
def test_doctor_indents_what_goes_on_on_a_further_line(screens, width):
    assert {line[:4].strip() for line in screens(width)["doctor"]} <= {"ok", "FAIL", ""}


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (["dlq", "list"], list(zip(IDS, PLACES, strict=True))),
        (["lag"], [(name, *TOPIC_NAMES) for name in GROUP_NAMES]),
    ],
    ids=["dlq list", "lag"],
)
def test_a_pipe_has_one_line_for_each_row(url, command, names):
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    program = [sys.executable, "-m", "flowtrail_collector", *command, "--url", url]
    piped = subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout
    rows = piped.splitlines()[1 : len(names) + 1]
    assert [[part in row for part in parts] for row, parts in zip(rows, names, strict=True)] == [
        [True] * len(parts) for parts in names
    ]
    assert "\x1b" not in piped


def test_what_fits_is_a_table(screens):
    wide = screens(400)
    for command, headings in (("sagas", ["FLOW", "KEY", "OUTCOME"]), ("lag", ["GROUP", "STATUS", "LAG"])):
        assert wide[command][0].split()[:3] == headings


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=str,
)
def test_colours_are_for_terminals_that_want_them(url, variables, coloured):
    commands = [["lag", "--url", url], ["trace", "one", "--url", url], ["dlq", "list", "--url", url]]
    text = on_a_terminal(["-c", PROGRAM, json.dumps(commands)], 100, **variables)
    colours = re.findall(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|9[0-7])(?:;[0-9;]*)?m", text)
    assert bool(colours) == coloured


LISTS = ["sagas", "lag", "dlq list", "dlq causes", "dlq jobs", "dlq audit", "dlq show ID", "lag --group",
         "trace of several", "top"]  # fmt: skip


@pytest.mark.parametrize("command", LISTS)
def test_lists_have_a_limit(url, command, capsys):
    words = COMMANDS[command][0]
    asked.clear()
    main([*words, "--limit", "2", "--url", url])
    limited = capsys.readouterr().out
    main([*words, "--url", url])
    everything = capsys.readouterr().out
    # Either the collector is asked for no more, or what it answers is cut here.
    assert any(query.get("limit") == "2" for query in asked) or len(limited) < len(everything)
    assert "--limit shows more" in limited or any(query.get("limit") == "2" for query in asked)
