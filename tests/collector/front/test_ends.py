"""How the two processes begin and end when something is in the way: nothing is left, and one line says why."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import waiting
from flowtrail_collector.front.serving import start_beside
from flowtrail_collector.web.server import listen
from trailkit.program import program
from waiting import scaled

pytestmark = [
    pytest.mark.slow(20),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc"),
]
FLOWS = """\
flows:
  fulfilment:
    starts: OrderPlaced
    completes: OrderShipped
"""
NOBODY = "127.0.0.1:1"


@pytest.fixture
def sockets(monkeypatch):
    """Where its socket is; a test's own folder would be too long a path for one."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def of_group(group):
    """Processes of a process group that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, its = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its) == group and state != "Z":
                found.append(int(folder.name))
    return found


@contextlib.contextmanager
def begun(folder, *options):
    """A collector in a process group of its own, as a terminal starts it; nothing of it may be left."""
    command = [
        sys.executable, "-m", "flowtrail_collector", "collector", "run", "--bootstrap-servers", NOBODY,
        "--store", str(folder / "s.sqlite"), "--processes", "2", *options,
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    with process:
        try:
            yield process
            assert waiting.until(lambda: of_group(process.pid) == [])
        finally:
            process.kill()


def refused(folder, *options):
    """A collector that can't begin: its exit code, and what it said."""
    with begun(folder, *options) as process:
        _, said = process.communicate(timeout=scaled(60))
    return process.returncode, said


def test_an_address_in_use_is_one_line(tmp_path):
    with contextlib.closing(listen("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname()[:2])
        code, said = refused(tmp_path, "--listen", address)
    assert code == 2
    assert said.startswith(f"flowtrail: can't listen on {address}: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--flows", "no-such-file.yaml"), "no-such-file.yaml"),
        (("--store", "/no/such/folder/s.sqlite"), "/no/such/folder"),
        (("--root-path", "no path"), "--root-path"),
        (("--processes", "3"), "--processes"),
    ],
)
def test_what_cannot_be_used_is_said_once_and_leaves_nothing(tmp_path, sockets, options, named):
    code, said = refused(tmp_path, "--listen", ":0", *options)
    assert code == 2
    assert named in said
    assert "Traceback" not in said
    assert list(sockets.iterdir()) == []


def test_a_file_has_one_collector_however_many_processes_that_is(tmp_path, devbroker):
    options = ("--store", tmp_path / "s.sqlite")
    with program(tmp_path, devbroker, *options) as running:
        code, said = refused(tmp_path, "--listen", ":0")
        assert code == 2
        assert "in use by another collector" in said
        assert said.count("\n") == 1
        assert running.get("/api/v1/topics")[0] == 200
        (reader,) = running.children()
        os.kill(reader, signal.SIGSTOP)  # not even a reader that is late with ending is in the way
        running.process.kill()
        running.process.wait()
        try:
            with program(tmp_path, devbroker, *options) as again:
                assert again.get("/api/v1/topics")[0] == 200
        finally:
            os.kill(reader, signal.SIGCONT)
        assert running.ended(reader)


def test_a_killed_collector_leaves_neither_process_nor_folder(tmp_path, devbroker, sockets):
    with program(tmp_path, devbroker, "--store", tmp_path / "s.sqlite") as running:
        (reader,) = running.children()
        assert len(list(sockets.iterdir())) == 1
        running.process.kill()
        assert running.ended(reader)
        assert list(sockets.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_reader_that_hangs_keeps_nobody_from_ending(tmp_path, devbroker, number):
    with program(tmp_path, devbroker, "--store", tmp_path / "s.sqlite") as running:
        (reader,) = running.children()
        os.kill(reader, signal.SIGSTOP)
        code, seconds = running.end(number)
        assert code == 0
        assert seconds < scaled(12)
        assert running.ended(reader)


def test_a_second_signal_ends_both_at_once(tmp_path, devbroker):
    with program(tmp_path, devbroker, "--store", tmp_path / "s.sqlite") as running:
        (reader,) = running.children()
        os.kill(reader, signal.SIGSTOP)
        running.process.send_signal(signal.SIGTERM)
        os.kill(reader, signal.SIGCONT)
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(scaled(10))
        assert running.ended(reader)


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.5, 1.0])
def test_a_terminals_ctrl_c_while_it_begins_is_for_the_collector_alone(tmp_path, seconds):
    """The reader is loading then: it would end with a stack trace, or stay."""
    with begun(tmp_path, "--listen", ":0") as process:
        assert waiting.until(lambda: len(of_group(process.pid)) > 1, timeout_seconds=60)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=scaled(30))
    assert "front/__main__.py" not in said


def test_a_replaced_reader_knows_the_flows_that_the_collector_began_with(tmp_path, devbroker):
    """A flow file counts once the collector is started again; until then half an edit is no reason to be silent."""
    file = tmp_path / "flows.yaml"
    file.write_text(FLOWS)
    with program(tmp_path, devbroker, "--flows", file, "--store", tmp_path / "s.sqlite") as running:
        before = running.json("/api/v1/flows")
        assert [flow["name"] for flow in before["flows"]] == ["fulfilment"]
        file.write_text("flows: {half an")
        (reader,) = running.children()
        os.kill(reader, signal.SIGKILL)
        assert [flow["name"] for flow in running.json("/api/v1/flows")["flows"]] == ["fulfilment"]
        assert running.children() != [reader]


@pytest.mark.parametrize("lacking", ["interpreter", "folder"])
def test_where_there_cannot_be_two_there_is_one(lacking, monkeypatch, caplog):
    if lacking == "interpreter":
        monkeypatch.setattr(sys, "executable", "/no/such/python")
    else:
        monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with contextlib.ExitStack() as stack, caplog.at_level(logging.WARNING):
        listener = stack.enter_context(contextlib.closing(listen("127.0.0.1", 0)))
        assert start_beside(listener, stack) is None
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("one process reads and answers, as there can't be two: ")
    assert "No such file or directory" in line
