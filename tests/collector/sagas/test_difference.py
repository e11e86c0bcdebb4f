"""What another flow file would change is told, and is what then happens."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.testclient import TestClient

from flowtrail_collector.cli._app import cli as command
from flowtrail_collector.sagas.difference import difference
from flowtrail_collector.sagas.difference_web import difference_routes
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.json import ApiError, json_response
from sagakit import Happening, core
from trailkit.web import served

FILE = """\
flows:
  orders:
    starts: Placed
    steps:
      pay: {done: Paid, within: 10s}
      ship: {done: Shipped, within: 20s}
    completes: Shipped
    within: 60s
"""
NONE = "flows: {other: {starts: A, completes: B}}"
CHANGES = {
    "nothing": (FILE, {}),
    "who does it": (FILE.replace("done: Paid", "done: Paid, by: billing"), {}),
    "sooner": (FILE.replace("10s", "2s"), {"is stuck at pay": 2}),
    "later": (FILE.replace("10s", "11s"), {"has more time": 2}),
    "shorter, not over yet": (FILE.replace("10s", "9s"), {"has less time": 2}),
    "over": (FILE.replace("60s", "3s"), {"ends as timed_out": 3}),
    "another step": (
        FILE.replace("      ship:", "      pack: {done: Packed}\n      ship:"),
        {"waits for pack": 1, "no longer waits for ship": 1},
    ),
    "another name": (FILE.replace("pay: {", "charge: {was: pay, "), {}),
    "gone": (NONE, {"rests as retired": 3}),
    "by another event": (FILE.replace("done: Paid", "done: Placed"), {"waits for ship": 2, "no longer waits for pay": 2, "has less time": 1}),
}  # fmt: skip


def opened(folder, file=FILE):
    with core(folder, file) as made:
        made.read(
            [Happening("Placed", 1_000, flow=f"f{n}") for n in range(3)]
            + [Happening("Paid", 2_000, flow="f2")]
        )
        made.pass_time(6_000)


@pytest.mark.parametrize(("new", "how"), CHANGES.values(), ids=CHANGES)
def test_how_many_change_and_how(tmp_path, new, how):
    opened(tmp_path)
    with core(tmp_path, FILE) as made:
        before = made.counters(), made.kinds()
        found = [
            item for item in difference(made.store, made.flows, parse_flows(new)) if item.flow == "orders"
        ]
        assert {words: count for item in found for words, count in item.how.items()} == how
        assert (made.counters(), made.kinds()) == before


@pytest.mark.parametrize("new", ["sooner", "over", "gone", "another step"])
def test_what_was_told_is_what_happens(tmp_path, new):
    opened(tmp_path)
    with core(tmp_path, CHANGES[new][0]) as made:
        told = Counter(CHANGES[new][1])
        made.sweeper.sweep()
        assert made.kinds().get("stuck", 0) == told["is stuck at pay"]
        assert sum(made.ended().values()) == told["ends as timed_out"]
        assert made.kinds().get("open", 0) == 3 - told["ends as timed_out"] - told["rests as retired"]


@pytest.fixture
def asked(tmp_path):
    """Asks the API of a collector."""
    opened(tmp_path)
    with core(tmp_path, FILE) as made:
        app = Starlette(
            routes=difference_routes(made.store),
            exception_handlers={
                ApiError: lambda request, error: json_response({"error": str(error)}, error.status)
            },
        )
        yield lambda **body: TestClient(app).post("/api/v1/flows/diff", json=body)


def test_the_api_tells_the_same(asked):
    answer = asked(old=FILE, new=CHANGES["sooner"][0])
    assert answer.json() == {
        "flows": [{"flow": "orders", "open": 3, "changed": 2, "how": {"is stuck at pay": 2}}]
    }


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"old": FILE}, "new takes the text of a flow file"),
        ({"old": FILE, "new": 5}, "new takes the text of a flow file"),
        ({"old": "flows: {a: 1}", "new": FILE}, "old:1:9: flow 'a' must be a mapping"),
        ({"old": FILE, "new": FILE, "more": 1}, "more"),
    ],
)
def test_the_api_says_what_is_wrong(asked, body, error):
    answer = asked(**body)
    assert answer.status_code == 400
    assert error in answer.json()["error"]


def test_the_command_asks_a_collector(tmp_path):
    opened(tmp_path)
    (tmp_path / "old.yaml").write_text(FILE)
    (tmp_path / "new.yaml").write_text(CHANGES["sooner"][0])
    names = [str(tmp_path / name) for name in ("old.yaml", "new.yaml")]
    with core(tmp_path, FILE) as made:
        app = build_app(
            difference_routes(made.store), token=None, local=True, on_error=lambda part, error: None
        )
        with served(app) as url:
            result = CliRunner().invoke(
                command, ["flows", "diff", *names, "--url", url], standalone_mode=False
            )
    assert (result.return_value, result.output) == (
        1, "orders: 2 of 3 open instances change\n         2  is stuck at pay\n")  # fmt: skip
    result = CliRunner().invoke(command, ["flows", "diff", *names, "--url", url], standalone_mode=False)
    assert "no collector answers" in str(result.exception)


def test_a_flow_that_comes_back(tmp_path):
    opened(tmp_path)
    with core(tmp_path, NONE) as made:
        made.sweeper.sweep()
        (item,) = [
            item for item in difference(made.store, made.flows, parse_flows(FILE)) if item.flow == "orders"
        ]
        assert item.how["is open again"] == 3


@pytest.mark.parametrize(("new", "code"), [("nothing", 0), ("sooner", 1), ("another name", 0)])
def test_the_command_on_a_store(tmp_path, new, code):
    opened(tmp_path)
    (tmp_path / "old.yaml").write_text(FILE)
    (tmp_path / "new.yaml").write_text(CHANGES[new][0])
    arguments = ["flows", "diff", *(str(tmp_path / name) for name in ("old.yaml", "new.yaml"))]
    arguments += ["--store", str(tmp_path / "store.sqlite")]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.return_value == code
    if code:
        assert result.output == "orders: 2 of 3 open instances change\n         2  is stuck at pay\n"
    result = CliRunner().invoke(command, [*arguments, "--json"], standalone_mode=False)
    assert sum(flow["changed"] for flow in json.loads(result.output)["flows"]) == (2 if code else 0)
