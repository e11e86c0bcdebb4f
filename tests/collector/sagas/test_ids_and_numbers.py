"""Occurrences told apart by an id, and steps whose number an event says: out of payloads, through a real store."""

from __future__ import annotations

import itertools
import json

import pytest

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.assessment import assess
from flowtrail_collector.sagas.model.instance import SagaKey
from flowtrail_collector.sagas.model.view import saga_view
from flowtrail_collector.sagas.owners import as_written
from flowtrail_collector.sagas.trial import Occasion, drive
from sagakit import Happening, core

PARCELS = """\
flows:
  orders:
    starts: Placed
    steps:
      pack: {done: Packed}
      ship:
        {done: Shipped, failed: Lost, undone: Returned, of: {field: $.parcel}, times: {event: Packed, field: $.parcels}}
    completes: Closed
    cancels: Cancelled
    within: 1h
"""
LONG = "p" * 65


def happened(story):
    """Events a second apart from `Type:value`; of `Packed` the value is the number of parcels."""
    for number, word in enumerate(story.split(), 1):
        kind, _, value = word.partition(":")
        payload = {"parcels" if kind == "Packed" else "parcel": json.loads(value)} if value else None
        yield Happening(kind, 1_000 * number, id=f"e{number}", payload=payload)


STORIES = {
    "none is owed that came back": (
        'Placed Packed:2 Shipped:"1" Shipped:"2" Cancelled Returned:"2" Returned:"1"', "done undone", ()),
    "the other one came back": (
        'Placed Packed:2 Shipped:"1" Shipped:"2" Cancelled Returned:"2"', "done done", ("1",)),
    "one came back twice": (
        'Placed Packed:2 Shipped:"1" Shipped:"2" Cancelled Returned:"2" Returned:"2"', "done done", ("1",)),
    "one that was never sent came back": ('Placed Packed:1 Shipped:"1" Cancelled Returned:"9"', "done done", ("1",)),
    "came back and was sent again": (
        'Placed Packed:1 Shipped:"1" Returned:"1" Shipped:"1" Cancelled', "done done", ("1",)),
    "reported twice, it is out once": (
        'Placed Packed:1 Shipped:"1" Shipped:"1" Cancelled Returned:"1"', "done undone", ()),
    "reported again after it came back, it was sent again": (
        'Placed Packed:1 Shipped:"1" Shipped:"1" Returned:"1" Shipped:"1" Shipped:"1" Cancelled', "done done", ("1",)),
    "reported twice in two rounds, both came back": (
        'Placed Packed:1 Shipped:"1" Shipped:"1" Returned:"1" Shipped:"1" Cancelled Returned:"1"', "done undone", ()),
    "each of two without an id is out": ("Placed Packed:1 Shipped Shipped Cancelled Returned", "done done", ()),
    "numbers are ids too": ("Placed Packed:1 Shipped:17 Cancelled Returned:17", "done undone", ()),
    "a return without an id takes back none that has one": (
        'Placed Packed:1 Shipped:"1" Cancelled Returned', "done done", ("1",)),
    "a long id": (f'Placed Packed:1 Shipped:"{LONG}" Cancelled Returned:"{LONG}"', "done undone", ()),
    "nobody has said how many": ('Placed Shipped:"1" Shipped:"2"', "open waiting", ()),
    "as many as were packed": ('Placed Packed:2 Shipped:"1" Shipped:"2"', "done done", ()),
    "one is missing": ('Placed Packed:3 Shipped:"1" Shipped:"2"', "done open", ()),
    "one was sent twice": ('Placed Packed:2 Shipped:"1" Shipped:"1"', "done open", ()),
    "two without an id": ("Placed Packed:2 Shipped Shipped", "done done", ()),
    "a list counts by its length": ('Placed Packed:["a","b"] Shipped:"a" Shipped:"b"', "done done", ()),
    "none at all": ("Placed Packed:0", "done done", ()),
    "said late": ('Placed Shipped:"1" Packed:1', "done done", ()),
    "corrected before it was reached": ('Placed Packed:3 Shipped:"1" Packed:1', "done done", ()),
    "corrected after it was reached": ('Placed Packed:1 Shipped:"1" Packed:3', "done done", ()),
    "a whole number, written with a point": ('Placed Packed:2.0 Shipped:"1" Shipped:"2"', "done done", ()),
    "half a parcel": ('Placed Packed:1.5 Shipped:"1"', "done open", ()),
    "no number": ('Placed Packed:"many" Shipped:"1"', "done open", ()),
    "one was lost": ('Placed Packed:2 Shipped:"1" Lost:"2"', "done failed", ()),
}  # fmt: skip


@pytest.mark.parametrize(("story", "states", "owed"), STORIES.values(), ids=STORIES)
def test_what_payloads_say(tmp_path, story, states, owed):
    with core(tmp_path, PARCELS) as made:
        made.read(happened(story))
        with made.store.unit() as unit:
            saga = unit.load_sagas([SagaKey("orders", "f1")])["orders", "f1"]
        view = saga_view(made.flows.by_name["orders"], saga, as_written)
    assert [step.state for step in view.steps] == states.split()
    assert view.steps[1].owed == owed


def test_what_is_done_in_each_round_counts_in_each_though_it_is_owed_once():
    flow = parse_flows(PARCELS.replace("done: Shipped,", "done: Shipped, again_after: Repacked,")).by_name[
        "orders"
    ]
    ids = (("$.parcel", "1"),)
    happened = [
        ("Placed", ()),
        ("Packed", (("#$.parcels", "1"),)),
        ("Shipped", ids),
        ("Repacked", ()),
        ("Shipped", ids),
    ]
    events = {n: (10_000 * n, kind, 0, values) for n, (kind, values) in enumerate(happened)}
    ship = assess(flow, events).steps[1]
    assert (ship.state.value, ship.until_ms, ship.round_ms) == ("done", 40_000, 30_000)
    events[9] = (50_000, "Cancelled", 0)
    events[10] = (60_000, "Returned", 0, ids)
    assert assess(flow, events).not_undone == ()


@pytest.mark.parametrize("reports", ["Shipped Returned Shipped", "Returned Shipped Shipped"])
def test_clocks_that_disagree_send_nothing_again(reports):
    """What is reported within a second of its taking back, and before it by its own clock, is back."""
    flow = parse_flows(PARCELS).by_name["orders"]
    for first, *rest in itertools.permutations(reports.split()):
        if first == "Shipped" and rest == ["Returned", "Shipped"]:
            continue  # that order says that it was sent again
        happened = ["Placed", first, *rest, "Cancelled"]
        events = {n: (100 * n, kind, 0, (("$.parcel", "1"),)) for n, kind in enumerate(happened)}
        assert assess(flow, events).not_undone == ()


@pytest.mark.slow
def test_every_order_and_every_restart_says_the_same(tmp_path):
    story = list(happened('Packed:2 Placed Shipped:"1" Shipped:"2" Cancelled Returned:"1"'))
    found = set()
    for number, order in enumerate(itertools.islice(itertools.permutations(story), 0, None, 37)):
        for half in (order[:3], [*order[2:], order[4]]):
            with core(tmp_path, PARCELS, f"{number}.sqlite") as made:
                made.read(half)
        with core(tmp_path, PARCELS, f"{number}.sqlite") as made:
            made.pass_time(60_000)
            with made.store.unit() as unit:
                saga = unit.load_sagas([SagaKey("orders", "f1")])["orders", "f1"]
            progress = assess(made.flows.by_name["orders"], saga.events)
            found.add((progress.outcome, str(progress.owed_ids), saga.waiting, str(made.kinds())))
    assert found == {("open", "{'ship': ('2',)}", (), "{'open': 1, 'uncompensated': 1}")}


def test_of_payloads_nothing_is_kept_but_the_id(tmp_path):
    with core(tmp_path, PARCELS) as made:
        made.read([Happening("Shipped", 1_000, payload={"parcel": LONG, "name": "Mary Poppins"})])
        with made.database.read() as connection:
            kept = [bytes(row[0]) for row in connection.execute("SELECT events FROM sagas").fetchall()]
    assert b"$.parcel\0blake2b:" in kept[0]
    assert b"Mary" not in kept[0]
    assert LONG.encode() not in kept[0]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, "empty"),
        ({"other": 1}, "missing"),
        ({"parcel": ""}, "missing"),
        ({"parcel": {"id": 1}}, "unusable"),
        ({"parcel": ["1"]}, "unusable"),
        ({"parcel": "x" * 1_100_000}, "too_large"),
    ],
)
def test_a_field_that_cannot_be_read_is_counted(tmp_path, payload, reason):
    with core(tmp_path, PARCELS) as made:
        made.read([Happening("Shipped", 1_000, payload=payload)])
        assert made.counters()["unread_fields", "orders", reason] == 1


def test_what_is_owed_is_told_by_name():
    lines = [
        (0, "Placed", None), (1, "Packed", {"parcels": 3}), (2, "Shipped", {"parcel": "A"}),
        (3, "Shipped", {"parcel": "B"}), (4, "Cancelled", None), (5, "Returned", {"parcel": "A"}),
    ]  # fmt: skip
    occasions = [Occasion(1_000 * at, kind, "1", json.dumps(payload).encode()) for at, kind, payload in lines]
    texts = [told.text for told in drive(parse_flows(PARCELS), occasions)]
    assert texts[1:] == [
        "pack done; waits for ship (0 of 3)",
        "pack done; waits for ship (1 of 3)",
        "pack done; waits for ship (2 of 3)",
        "pack done; to be undone: ship (A, B)",
        "pack done; to be undone: ship (B)",
        "timed_out",
    ]
