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


TRIP = """\
flows:
  trip:
    starts: Asked
    steps:
      rides: {children: {flow: ride, parent: {field: $.trip}}, undone: Refunded, within: 100s}
      thank: {done: Thanked, within: 100s}
    completes: Thanked
    cancels: Cancelled
    within: 500s
  ride:
    starts: Begun
    steps:
      legs: {children: {flow: leg, parent: {field: $.ride}}, within: 100s}
    completes: Arrived
    cancels: Stranded
    within: 300s
  leg:
    starts: Left
    steps:
      drive: {done: Parked, failed: Broken, within: 50s}
    completes: Parked
    within: 200s
"""
LEG_SHORT = TRIP.replace("within: 200s", "within: 3s")
RIDE_SHORT = TRIP.replace("within: 300s", "within: 4s")
LEVELS = {
    "nothing": (TRIP, {}),
    "the lowest flow is shorter": (LEG_SHORT, {
        "leg": {"ends as timed_out": 2}, "ride": {"has failed at legs": 2}}),
    "and the next one has no cancellation": (LEG_SHORT.replace("    cancels: Stranded\n", ""), {
        "leg": {"ends as timed_out": 2}, "ride": {"ends as failed": 2}, "trip": {"has failed at rides": 2}}),
    "and none has": (LEG_SHORT.replace("    cancels: Stranded\n", "").replace("    cancels: Cancelled\n", ""), {
        "leg": {"ends as timed_out": 2}, "ride": {"ends as failed": 2}, "trip": {"ends as failed": 2}}),
    "the middle flow is shorter": (RIDE_SHORT, {
        "ride": {"ends as timed_out": 3}, "trip": {"has failed at rides": 2}}),
    "one is enough": (RIDE_SHORT.replace("$.trip}}", "$.trip}, all: false}"), {
        "ride": {"ends as timed_out": 3}, "trip": {"has failed at rides": 2}}),
    "the lowest flow is gone, and waited for no longer": (
        TRIP[:TRIP.index("  leg:")].replace("children: {flow: leg, parent: {field: $.ride}}", "done: Driven"), {
        "leg": {"rests as retired": 2}}),
    "another limit above": (TRIP.replace("within: 500s", "within: 400s"), {}),
    "another key": (TRIP.replace("    within: 200s", "    within: 200s\n    correlate: subject"), {
        "leg": {"hears no more: its events are put together by subject": 2}}),
    "another key, which is the same": (TRIP.replace("    within: 500s", "    within: 500s\n    correlate: subject"), {}),
}  # fmt: skip


def happening(at, kind, key, subject=None, **payload):
    return Happening(kind, 1_000 * at, f"{kind}-{key}", flow=key, subject=subject, payload=payload or None)


def opened_trips(folder):
    """Two trips with a ride each, of those a leg each; a trip that has no ride yet, and a ride of none."""
    with core(folder, TRIP) as made:
        trips = [happening(1, "Asked", f"t{n}", subject=f"t{n}") for n in range(3)]
        rides = [happening(2, "Begun", f"r{n}", trip=f"t{n}") for n in range(2)]
        legs = [happening(3, "Left", f"l{n}", subject="a", ride=f"r{n}") for n in range(2)]
        made.read([*trips, *rides, happening(2, "Begun", "r9"), *legs])
        made.pass_time(15_000)


@pytest.mark.parametrize(("new", "how"), LEVELS.values(), ids=LEVELS)
def test_what_children_change_for_those_that_wait_for_them(tmp_path, new, how):
    """Also of flows whose own words are the same; and it is what happens when a collector starts with the file."""
    opened_trips(tmp_path)
    with core(tmp_path, TRIP) as made:
        found = difference(made.store, made.flows, parse_flows(new))
        assert {item.flow: dict(item.how) for item in found if item.how} == how
        assert all(item.open == {"trip": 3, "ride": 3, "leg": 2}[item.flow] for item in found)
    with core(tmp_path, new) as made:
        for until_ms in (15_000, 15_500, 16_000):  # what a child tells shows a second later
            made.pass_time(until_ms)
        ends = Counter()
        for name, *labels in (key for key in made.counters() if key[0] == "ended"):
            ends[labels[0], f"ends as {labels[1]}"] += int(made.counters()[name, *labels])
        told = {(flow, word): count for flow, words in how.items() for word, count in words.items()}
        assert ends == {key: count for key, count in told.items() if key[1].startswith("ends as")}


OWING = """\
flows:
  orders:
    starts: Placed
    steps:
      pay: {done: Paid, undone: Refunded, failed: Declined, within: 100s}
      ship: {done: [Shipped, Sent], undone: Returned, within: 100s}
    completes: Closed
    cancels: Cancelled
"""
STANDING = {
    "one step less to undo": (
        OWING.replace(", undone: Returned", ""), "Paid Shipped Cancelled", {"no longer has to undo ship": 1}),
    "another one fails": (
        OWING.replace("done: [Shipped, Sent]", "done: Sent, failed: Shipped"), "Paid Shipped",
        {"waits for ship": 1, "has failed at ship": 1}),
    "it is no longer a failure": (
        OWING.replace("failed: Declined", "again_after: Declined"), "Declined",
        {"has no longer failed at pay": 1}),
    "a step more to undo": (
        OWING.replace("ship: {done: [Shipped, Sent]", "pack: {done: Shipped, undone: Back}\n      ship: {done: Sent"),
        "Paid Shipped Cancelled", {"has to undo pack": 1, "no longer has to undo ship": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("new", "story", "how"), STANDING.values(), ids=STANDING)
def test_what_is_owed_and_what_failed_is_told(tmp_path, new, story, how):
    with core(tmp_path, OWING) as made:
        made.read([happening(n, kind, "o") for n, kind in enumerate(["Placed", *story.split()], 1)])
        made.pass_time(20_000)
        (item,) = difference(made.store, made.flows, parse_flows(new))
        assert item.how == how


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
