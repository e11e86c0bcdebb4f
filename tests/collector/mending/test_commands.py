"""`flowtrail dlq payload` and `flowtrail dlq edit`, against a collector that listens."""

from __future__ import annotations

import json
import sys
import threading

import pytest

from flowtrail_collector.cli import main
from flowtrail_collector.dead_letters.mending.web import NO_PAYLOADS, mending_routes
from flowtrail_collector.dead_letters.web.routes import DeskRoutes
from flowtrail_collector.web.app import build_app
from redrivekit import DLQ, own_headers
from redrivekit.mending import WRITE, Mended
from trailkit.web import served

pytestmark = pytest.mark.slow(0.3)

VALUE = '{"total_cents": -5, "note": "\u009b2J"}'
NEW = '{"total_cents": 5}'


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with Mended(tmp_path, own_headers(), VALUE.encode()) as site:
        stop = threading.Event()
        thread = threading.Thread(target=site.redriver.run, args=(stop,))
        thread.start()
        site.callback(thread.join, 10)
        site.callback(site.redriver.wake)
        site.callback(stop.set)
        site.url = site.enter_context(served(site.app))
        yield site


@pytest.fixture
def run(site, capsys):
    def run(*arguments, url=None):
        code = main(["dlq", *arguments, "--url", url or site.url])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def new_value(tmp_path):
    file = tmp_path / "value.json"
    file.write_text(NEW)
    return str(file)


@pytest.mark.parametrize("wanted", ["o1", f"{DLQ}/0@0"])
def test_a_payload_for_people_for_programs_and_for_a_file(run, wanted):
    code, out, _ = run("payload", wanted)
    assert code == 0
    for part in ('"total_cents": -5', "key     key", "header  ce_id: e1", "value   json, "):
        assert part in out
    assert "\u009b" not in out
    assert json.loads(run("payload", wanted, "--json")[1])["value"]["format"] == "json"
    assert json.loads(run("payload", wanted, "--value-only")[1]) == json.loads(VALUE)


def test_shown_asked_and_sent(run, site, new_value):
    code, out, _ = run("edit", "o1", "--value", new_value, "--reason", "sign", "--dry-run")
    assert code == 0
    assert '-  "total_cents": -5' in out
    assert "no contract is known to check it against" in out
    assert site.store.jobs(1) == []
    code, _, err = run("edit", "o1", "--value", new_value, "--reason", "sign")
    assert (code, err) == (2, "flowtrail: no terminal to confirm on: pass --yes\n")
    assert site.store.jobs(1) == []
    code, out, _ = run(
        "edit", "o1", "--value", new_value, "--key", "k2", "--header", "a=1=2", "--remove-header", "traceparent",
        "--reason", "sign", "--yes",
    )  # fmt: skip
    assert code == 0
    assert "done: 1 redriven" in out
    (sent,) = site.kafka.published
    assert (sent.key, sent.value) == (b"k2", b'{"total_cents":5}')
    assert sent.headers[-1] == ("a", b"1=2")
    assert "traceparent" not in dict(sent.headers)
    assert ": sign" in run("audit")[1]
    assert "sign" in run("payload", "o1")[1]


def test_no_key_and_a_value_from_standard_input(run, site, monkeypatch, new_value):
    with open(new_value, "rb") as file:
        monkeypatch.setattr(sys, "stdin", type("In", (), {"buffer": file, "isatty": lambda self: False})())
        code, _, err = run("edit", "o1", "--value", "-", "--no-key", "--reason", "r", "--yes")
    assert code == 0, err
    assert site.kafka.published[0].key is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reason", "r"], "nothing to change"),
        (["--key", "a", "--no-key", "--reason", "r"], "can't be combined"),
        (["--header", "a", "--reason", "r"], "NAME=VALUE"),
        (["--value", "nowhere.json", "--reason", "r"], "--value nowhere.json"),
        (["--header", "dlq.replays=0", "--reason", "r"], "dlq.replays: flowtrail writes it"),
        (["--key", "x"], "Missing option '--reason'"),
        (["--key", "x", "--reason", "r", "--to", "nowhere"], "doesn't exist"),
    ],
)
def test_what_is_wrong_is_one_line(run, site, arguments, said):
    code, _, err = run("edit", "o1", *arguments, "--yes")
    assert code == 2
    assert said in err
    assert site.store.jobs(1) == []


def test_where_payloads_arent_shown_it_says_what_to_do(run, site):
    app = build_app(
        [*DeskRoutes(site.desk).routes(), *mending_routes(None)], token=None, local=True, on_error=print
    )
    with served(app) as url:
        for command in (["payload", "o1"], ["edit", "o1", "--key", "x", "--reason", "r", "--yes"]):
            code, _, err = run(*command, url=url)
            assert (code, err) == (1, f"flowtrail: {NO_PAYLOADS}\n")


def test_the_token_for_reading_is_refused(run, site, monkeypatch):
    app = build_app(site.routes, token="r" * 24, write_token=WRITE, local=True, on_error=print)
    monkeypatch.setenv("FLOWTRAIL_TOKEN", "r" * 24)
    with served(app) as url:
        code, out, err = run("payload", "o1", url=url)
        assert code == 2
        assert "write token" in err
        assert "total" not in out
        monkeypatch.setenv("FLOWTRAIL_WRITE_TOKEN", WRITE)
        assert run("payload", "o1", url=url)[0] == 0


def test_the_payload_token_is_sent_where_there_is_one(run, site, monkeypatch):
    app = build_app(
        site.routes, token=None, write_token=WRITE, payload_token="p" * 24, local=True, on_error=print
    )
    monkeypatch.setenv("FLOWTRAIL_WRITE_TOKEN", WRITE)
    with served(app) as url:
        code, _, err = run("payload", "o1", url=url)
        assert code == 2
        assert "FLOWTRAIL_PAYLOAD_TOKEN" in err
        monkeypatch.setenv("FLOWTRAIL_PAYLOAD_TOKEN", "p" * 24)
        assert run("payload", "o1", url=url)[0] == 0
