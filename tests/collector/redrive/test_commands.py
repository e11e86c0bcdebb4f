"""`flowtrail dlq`, against a collector that listens."""

from __future__ import annotations

import contextlib
import io
import json
import threading

import click
import pytest

from flowtrail_collector.cli import main
from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.redriver import Redriver
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.web.routes import DeskRoutes, dead_letter_routes
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.web.app import build_app
from redrivekit import DLQ, FakeKafka, keep, own_headers, states
from trailkit.web import served

pytestmark = pytest.mark.slow(0.3)

WRITE = "w" * 24


class Desk:
    """A collector with dead letters; `work` makes its redriver run."""

    def __init__(self, database, capsys, write_token=None):
        self.database = database
        self.store, self.kafka = SqlRedrive(database), FakeKafka(orders=1)
        headers = [*own_headers(), ("binary", b"\x00\x00\x00\x03"), ("evil", b"\x1b[2J")]
        keep(database, [self.kafka.bury(n, headers) for n in range(3)])
        self.redriver = Redriver(self.store, self.kafka)
        desk = RedriveDesk(self.store, self.kafka, on_job=self.redriver.wake)
        reads = TrailReads(database, Flows())
        self.app = build_app(
            [*DeskRoutes(desk).routes(), *dead_letter_routes(reads)],
            token=None, write_token=write_token, local=True, on_error=lambda part, error: None,
        )  # fmt: skip
        self.url = ""
        self._capsys = capsys

    def run(self, *arguments):
        """A command: its exit code and what it printed."""
        code = main(["dlq", *arguments, "--url", self.url])
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def json(self, *arguments):
        code, out, _ = self.run(*arguments, "--json")
        return code, json.loads(out)


@pytest.fixture
def make_desk(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    database = SqliteDatabase(tmp_path / "store.sqlite")
    stop = threading.Event()
    running = contextlib.ExitStack()

    def make(**values):
        desk = Desk(database, capsys, **values)
        desk.url = running.enter_context(served(desk.app))
        thread = threading.Thread(target=desk.redriver.run, args=(stop,))
        thread.start()
        running.callback(thread.join, 10)
        running.callback(desk.redriver.wake)
        running.callback(stop.set)
        return desk

    with running:
        yield make
    database.close()


@pytest.fixture
def desk(make_desk):
    return make_desk()


def test_a_dry_run_shows_bars_and_moves_nothing(desk):
    code, out, _ = desk.run("redrive", "--group", "billing", "--dry-run")
    assert code == 0
    assert "3 dead letters match" in out
    assert "████████████████████████  ValueError" in out
    assert "would go to" in out
    assert desk.kafka.published == []
    assert desk.run("redrive", "--group", "nobody", "--dry-run")[0] == 1


@pytest.mark.parametrize("action", ["redrive", "dismiss"])
def test_confirmed_is_what_was_counted(desk, action, monkeypatch):
    def arriving(question, **kwargs):
        assert question.endswith(" 3 dead letters?")
        keep(desk.database, [desk.kafka.bury(n, own_headers()) for n in (3, 4)])
        return True

    monkeypatch.setattr("flowtrail_collector.cli._desk.sys.stdin", Terminal())
    monkeypatch.setattr(click, "confirm", arriving)
    note = ("--note", "seen") if action == "dismiss" else ()
    code, out, _ = desk.run(action, "--group", "billing", *note)
    assert (code, "3 dismissed" in out or "3 redriven" in out) == (0, True)
    assert [
        offset for (_, _, offset), state in sorted(states(desk.database).items()) if state == "pending"
    ] == [3, 4]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_redriven_to_the_end(desk):
    code, out, _ = desk.run("redrive", "--all", "--yes")
    assert code == 0
    assert "done: 3 redriven, 0 quarantined, 0 refused" in out
    assert len(desk.kafka.published) == 3
    code, data = desk.json("jobs")
    assert (code, data["redrives"][0]["redriven"]) == (0, 3)
    code, out, _ = desk.run("audit")
    assert out.count(f"{DLQ}/0@") == 3
    assert "redrive" in out
    assert desk.run("redrive", "--all", "--yes")[0] == 1  # none is left


@pytest.mark.slow
def test_what_stays_or_ends_in_quarantine_is_exit_code_1(desk):
    code, job = desk.json("redrive", "--place", f"{DLQ}/0@1", "--replay-limit", "0", "--yes")
    assert (code, job["quarantined"]) == (1, 1)
    assert states(desk.database)[DLQ, 0, 1] == "quarantined"
    code, out, _ = desk.run("redrive", "--quarantined", "--all", "--replay-limit", "0", "--yes")
    assert code == 1
    assert "raise that to try again" in out
    code, job = desk.json("redrive", "--quarantined", "--all", "--yes")
    assert (code, job["redriven"]) == (0, 1)


def test_nobody_there_to_confirm(desk):
    code, _, err = desk.run("redrive", "--group", "billing")
    assert (code, err) == (2, "flowtrail: no terminal to confirm on: pass --yes\n")
    assert desk.store.jobs(1) == []


@pytest.mark.parametrize("command", [("redrive",), ("dismiss", "--note", "x")])
def test_everything_only_by_name(desk, command):
    code, _, err = desk.run(*command, "--yes")
    assert code == 2
    assert "every dead letter" in err


@pytest.mark.parametrize("place", ["x", "x/1", "x/a@1", "x/1@", "a/b/1@2", "x/١@2"])
def test_a_place_has_a_form(desk, place):
    code, _, err = desk.run("redrive", "--place", place, "--yes")
    assert code == 2
    assert "TOPIC/PARTITION@OFFSET" in err


def test_nonsense_is_one_line(desk):
    code, _, err = desk.run("redrive", "--since", "yesterday", "--yes")
    assert code == 2
    assert err.startswith("flowtrail: since takes a time")
    assert err.count("\n") == 1


def test_detached_then_watched_then_cancelled(desk):
    code, job = desk.json("redrive", "--all", "--rate", "1", "--yes", "--detach")
    assert (code, job["state"]) == (0, "running")
    code, out, _ = desk.run("cancel", job["id"])
    assert code == 0
    assert "cancelled" in out
    assert desk.run("watch", job["id"])[0] == 1
    assert desk.run("watch", "nobody")[0] == 1


def test_shown_with_headers_and_no_payload(desk):
    code, out, _ = desk.run("show", f"{DLQ}/0@2")
    assert code == 0
    for part in ("ValueError", "came from  orders/0@7", "binary: 0x00000003", "7 bytes (not shown)"):
        assert part in out
    assert "payload" not in out
    assert "\x1b" not in out
    code, data = desk.json("show", "o1")
    assert (code, data["dead_letter"]["offset"], len(data["others"])) == (0, 2, 2)
    code, _, err = desk.run("show", "nobody")
    assert (code, err) == (1, "flowtrail: no dead letter found for nobody\n")


def test_dismissed_with_a_note(desk):
    assert desk.run("dismiss", "--id", "o1")[0] == 2  # the note is missing
    code, out, _ = desk.run("dismiss", "--id", "o1", "--note", "by hand", "--yes")
    assert (code, out) == (0, "3 dismissed\n")
    assert desk.run("dismiss", "--id", "o1", "--note", "again", "--yes")[0] == 1
    assert "by hand" in desk.run("audit")[1]
    code, data = desk.json("list", "--state", "dismissed", "--source", "orders")
    assert len(data["dead_letters"]) == 3


def test_the_write_token_is_taken_from_its_variable(make_desk, monkeypatch):
    desk = make_desk(write_token=WRITE)
    code, _, err = desk.run("redrive", "--all", "--yes")
    assert code == 2
    assert "the write token is needed" in err
    monkeypatch.setenv("FLOWTRAIL_WRITE_TOKEN", WRITE)
    assert desk.run("redrive", "--all", "--yes")[0] == 0
