"""`flowtrail flows try`: what happens to the events of a list, told in the order of time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from flowtrail_collector.cli._app import cli as command
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.trial import Occasion, drive

TRIP = """\
flows:
  trip:
    starts: Asked
    steps:
      hotel: {done: HotelBooked, failed: HotelFull, undone: HotelReleased, after: start, within: 5s}
      car: {done: CarBooked, undone: CarReleased, after: start}
    completes: Confirmed
    cancels: Cancelled
    within: 1h
"""


def told(*words):
    occasions = [Occasion(1_000 * at, kind, "t") for at, kind in words]
    return [(item.at_ms // 1_000, item.because, item.text) for item in drive(parse_flows(TRIP), occasions)]


def test_what_happens_is_told_as_it_happens():
    assert told(
        (0, "Asked"), (10, "HotelBooked"), (20, "Cancelled"), (30, "CarBooked"), (40, "HotelReleased")
    ) == [
        (0, "Asked", "waits for hotel, car"),
        (5, "", "stuck at hotel"),
        (10, "HotelBooked", "hotel done; waits for car"),
        (20, "Cancelled", "hotel done; to be undone: hotel"),
        (30, "CarBooked", "hotel done; car done; to be undone: hotel, car"),
        (40, "HotelReleased", "hotel undone; car done; to be undone: car"),
        (3_600, "", "timed_out"),
    ]


def test_an_end_shows_before_what_comes_later():
    assert told((0, "Asked"), (1, "Confirmed"), (60, "CarBooked"))[-2:] == [
        (1, "", "completed"),
        (60, "CarBooked", "late, as it had completed already"),
    ]


@pytest.mark.parametrize("line", ["Asked", "soon Asked", "1s Asked t and more"])
def test_a_line_that_is_none_is_named(tmp_path, line):
    (tmp_path / "flows.yaml").write_text(TRIP)
    result = CliRunner().invoke(
        command, ["flows", "try", str(tmp_path / "flows.yaml"), "-"], input=f"# a trip\n{line}\n"
    )
    assert result.exception is not None
    assert "-:2" in f"{result.exception}{result.output}" or "stdin>:2" in f"{result.exception}{result.output}"


def test_as_json(tmp_path):
    (tmp_path / "flows.yaml").write_text(TRIP)
    (tmp_path / "events.txt").write_text("0s Asked a\n\n0s Asked b # another\n")
    arguments = ["flows", "try", str(tmp_path / "flows.yaml"), str(tmp_path / "events.txt"), "--json"]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    happened = json.loads(result.output)["happened"]
    assert [item["key"] for item in happened if item["text"] == "timed_out"] == ["a", "b"]


@pytest.mark.parametrize(
    ("events", "warning"),
    [
        ("0s OrderPlacd", "no flow names OrderPlacd (did you mean OrderPlaced?)"),
        ("0s Unheard", "no flow names Unheard: it has no effect"),
        ("# nothing yet", "it contains no events"),
    ],
)
def test_events_that_move_nothing_are_named(tmp_path: Path, events: str, warning: str) -> None:
    flow_file = tmp_path / "flows.yaml"
    flow_file.write_text("flows: {order: {starts: OrderPlaced, completes: OrderShipped}}\n", encoding="utf-8")
    done = CliRunner().invoke(command, ["flows", "try", str(flow_file), "-"], input=events + "\n")
    assert done.exit_code == 0
    assert warning in done.stderr
    assert done.stdout == ""


def test_a_failed_step_waits_for_another_round_as_well():
    flow = parse_flows(
        "flows: {f: {starts: Filed, steps: {decide: {done: Approved, failed: Returned, again_after: Refiled}},"
        " completes: Approved, cancels: Withdrawn}}"
    )
    happened = list(drive(flow, [Occasion(0, "Filed", "1"), Occasion(5, "Returned", "1")]))
    assert happened[-1].text == "decide failed; waits for Withdrawn or Refiled"


def test_a_failed_step_waits_for_the_cancellation(tmp_path: Path) -> None:
    flow_file = tmp_path / "flows.yaml"
    flow_file.write_text(
        "flows: {order: {starts: Placed, completes: Paid, cancels: Cancelled,"
        " steps: {charge: {done: Paid, failed: Declined}}}}\n",
        encoding="utf-8",
    )
    done = CliRunner().invoke(
        command, ["flows", "try", str(flow_file), "-"], input="0s Placed\n5s Declined\n"
    )
    assert "charge failed; waits for Cancelled" in done.stdout


FIELDS = """\
flows:
  order:
    starts: Placed
    steps:
      ship: {done: Shipped, of: {field: $.parcel}, times: {event: Placed, field: $.parcels}}
      rides: {children: {flow: ride, parent: {field: $.order}}}
    completes: Closed
  ride: {starts: Begun, completes: Arrived}
"""


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("0s Placed o", "waits for ship (0 of an unknown number); $.parcels is empty"),
        ("0s Placed o {}", "waits for ship (0 of an unknown number); $.parcels is missing"),
        ('0s Placed o {"parcels": 1.5}', "waits for ship (0 of an unknown number); $.parcels is unusable"),
        ('0s Placed o {"parcels": 0}', "ship done; waits for rides"),
        ('0s Begun r {"ordr": 1}', "waits for Arrived; $.order is missing"),
    ],
)
def test_a_payload_that_does_not_say_what_is_asked_for_is_told(tmp_path: Path, line: str, text: str) -> None:
    (tmp_path / "flows.yaml").write_text(FIELDS, encoding="utf-8")
    done = CliRunner().invoke(command, ["flows", "try", str(tmp_path / "flows.yaml"), "-"], input=line + "\n")
    said = " ".join(done.stdout.split())  # however wide the terminal is
    assert f": {text}" in said
