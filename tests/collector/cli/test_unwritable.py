"""Output that can't be written is one line and an exit code of its own, whatever the command found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from flowtrail_collector.cli import main
from flowtrail_collector.cli._app import cli
from httpkit import as_json, serving
from waiting import scaled

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
SAID = "flowtrail: the output can't be written: No space left on device\n"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group of the tree by its path."""
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name)


COMMANDS = sorted(commands(cli))
# Of commands that ask a collector: what it answers, and an exit code that says something was found.
ANSWERS: dict[str, Any] = {
    "/api/v1/sagas/causes": {"causes": []},
    "/api/v1/sagas": {"sagas": []},
    "/api/v1/lag": {"groups": []},
    "/api/v1/dead-letters": {"dead_letters": []},
    "/api/v1/dead-letters/causes": {"causes": []},
    "/api/v1/dead-letters/audit": {"moved": [], "writes": []},
    "/api/v1/redrives": {"redrives": []},
}
ASKING = [
    ["stuck"], ["stuck", "--json"], ["lag", "--json"], ["sagas"], ["sagas", "--json"], ["dlq", "list"],
    ["dlq", "list", "--json"], ["dlq", "causes"], ["dlq", "jobs", "--json"], ["dlq", "audit", "--json"],
]  # fmt: skip


def into(
    path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """The exit code of a command whose output goes there, and what it said."""
    with path.open("w") as there:
        monkeypatch.setattr(sys, "stdout", there)
        code = main(arguments)
    return code, capfd.readouterr().err


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert into(FULL, [*path, "--help"], monkeypatch, capfd) == (2, SAID)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(lambda asked: as_json(ANSWERS[asked.path])) as url:
        yield url


@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_what_a_collector_answers(
    arguments: list[str], url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert into(FULL, [*arguments, "--url", url], monkeypatch, capfd) == (2, SAID)


@pytest.mark.slow
def test_a_process_ends_without_a_second_complaint() -> None:
    program = [sys.executable, "-m", "flowtrail_collector", "completion", "bash"]
    with FULL.open("w") as there:
        done = subprocess.run(
            program, stdout=there, stderr=subprocess.PIPE, text=True, timeout=scaled(60), check=False
        )
    assert (done.returncode, done.stderr) == (2, SAID)


@pytest.mark.slow
def test_a_reader_that_leaves_hears_nothing() -> None:
    program = [sys.executable, "-m", "flowtrail_collector", "completion", "bash"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.slow
def test_where_nothing_can_be_said_the_exit_code_does() -> None:
    program = [sys.executable, "-m", "flowtrail_collector", "--version"]
    with FULL.open("w") as there:
        done = subprocess.run(program, stdout=there, stderr=there, timeout=scaled(60), check=False)
    assert done.returncode == 2
