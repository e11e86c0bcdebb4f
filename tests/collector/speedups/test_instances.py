"""Events are added to instances, written and read alike in Python and in C: the contract of `Blobs` and `take_in`."""

from __future__ import annotations

import copy
import gc
import random
import struct
import sys
import tracemalloc
from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.events.identity import IdHashes, hashes_by
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import Outcome, SagaEvents
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.intake import intake_by, take_in
from flowtrail_collector.sagas.sql.blobs import EVENT, PYTHON, VALUES, Blobs, blobs_by
from storekit import EVENT as ROW

NOW_MS = 1_000
NUMBERS = st.integers(-(2**63), 2**63 - 1)
KINDS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12) | st.sampled_from(["Placed", "x" * 300])  # fmt: skip
PAIRS = st.lists(st.tuples(KINDS, KINDS), max_size=3).map(tuple)
MARKS = st.tuples(NUMBERS, KINDS, NUMBERS) | st.tuples(NUMBERS, KINDS, NUMBERS, PAIRS)
SAGA_EVENTS = st.dictionaries(NUMBERS, MARKS, max_size=8) | st.dictionaries(
    NUMBERS, st.tuples(NUMBERS, KINDS, NUMBERS), max_size=8
)
IDS = st.sampled_from(["a", "b", "c", "ü", "\ud800", "", "\0"])
ROWS = st.builds(
    lambda own, kind, source, subject, cause, moment: ROW._replace(
        event_id=own, type=kind, source=source, subject=subject, causation_id=cause, timestamp_ms=moment
    ),
    IDS, st.sampled_from(["Placed", "Shipped", "ü"]), st.none() | IDS, st.none() | IDS, st.none() | IDS,
    st.none() | st.sampled_from([0, -1, 5, 700, 999, 1_000, 5_000, 2**70]),
)  # fmt: skip
VALUES_TOLD = st.sampled_from([(), (), (), (("amount", "7"),), (("child", "k"),)])


@pytest.fixture(params=["python", "compiled"])
def blobs(request: pytest.FixtureRequest) -> Blobs:
    return PYTHON if request.param == "python" else blobs_by(request.getfixturevalue("compiled"))


def outcome(call: Any, *values: Any) -> Any:
    """What it gives with its kinds, or what it raises."""
    try:
        found = call(*values)
    except (TypeError, ValueError, IndexError, AttributeError, struct.error) as error:
        return type(error)
    return repr(found)


@given(SAGA_EVENTS)
@settings(max_examples=200)
def test_bytes_are_the_same(compiled: ModuleType, events: SagaEvents) -> None:
    by = blobs_by(compiled)
    blob = PYTHON.pack(events)
    assert by.pack(events) == blob
    assert list(by.unpack(blob).items()) == list(PYTHON.unpack(blob).items()) == list(events.items())


ODD: list[Any] = [
    {1: (1, "\ud800", 0)},
    {1: (1, "x" * 0x7FFF, 0)},
    {1: (1, "x" * 0x8000, 0)},
    {1: (1, "x" * 0x10000, 0)},
    {2**63: (1, "a", 0)},
    {1: (2**63, "a", 0)},
    {1: (1, "a", -(2**63) - 1), 2: (1, "a", 0)},
    {True: (True, "a", False)},
    {1: (1, b"a", 0)},
    {1: (None, "a", 0)},
    {1: [1, "a", 0]},
    {1: (1, "a")},
    {"a": (1, "a", 0)},
    None,
    [],
]


@pytest.mark.parametrize("events", ODD, ids=range(len(ODD)))
def test_odd_events_are_written_alike(compiled: ModuleType, events: Any) -> None:
    assert outcome(blobs_by(compiled).pack, events) == outcome(PYTHON.pack, events)


@given(st.binary(max_size=80) | st.tuples(SAGA_EVENTS, st.integers(0, 200), st.integers(0, 255)))
@settings(max_examples=300)
def test_damaged_bytes_are_read_alike(compiled: ModuleType, given_: Any) -> None:
    blob: Any = given_
    if not isinstance(given_, bytes):
        events, place, byte = given_
        whole = bytearray(PYTHON.pack(events))
        if whole:
            whole[place % len(whole)] = byte
        blob = bytes(whole[: max(place, 1)])
    for value in (blob, bytearray(blob), memoryview(blob)):
        assert outcome(blobs_by(compiled).unpack, value) == outcome(PYTHON.unpack, value)


def test_bytes_that_end_too_early_are_read_alike(compiled: ModuleType) -> None:
    for kind in ("Placed", "ü", "x" * 300):
        blob = PYTHON.pack({1: (2, kind, 3), 4: (5, kind, 6)})
        for size in range(len(blob)):
            assert outcome(blobs_by(compiled).unpack, blob[:size]) == outcome(PYTHON.unpack, blob[:size])


def test_an_event_is_its_hash_time_cause_and_type(blobs: Blobs) -> None:
    events: SagaEvents = {-5: (1_700_000_000_000, "Placed", 0), 7: (-1, "ü", 2**62)}
    blob = EVENT.pack(-5, 1_700_000_000_000, 0, 6) + b"Placed" + EVENT.pack(7, -1, 2**62, 2) + "ü".encode()
    assert blobs.pack(events) == blob
    assert blobs.unpack(blob) == events
    assert blobs.unpack(b"") == {}
    told = EVENT.pack(1, 2, 3, VALUES | 5) + b"A\0n\0v"
    assert blobs.unpack(told) == {1: (2, "A", 3, (("n", "v"),))}


@given(
    st.lists(st.tuples(ROWS, VALUES_TOLD), max_size=10),
    st.sampled_from([Outcome.OPEN, Outcome.COMPLETED, Outcome.RETIRED]),
    SAGA_EVENTS,
)
@settings(max_examples=300)
def test_instances_and_counts_are_the_same(
    compiled: ModuleType, moves: list[tuple[EventRow, Any]], ended: Outcome, events: SagaEvents
) -> None:
    one = SagaRecord("orders", "f1", outcome=ended, ended_ms=7, updated_ms=500, events=events)
    other = copy.deepcopy(one)
    counted: Counter[CountKey] = Counter()
    other_counted: Counter[CountKey] = Counter()
    hashes, other_hashes, compiled_take_in = IdHashes(), hashes_by(compiled)(), intake_by(compiled)
    for event, values in moves:
        take_in(one, event, hashes, counted, NOW_MS, values)
        compiled_take_in(other, event, other_hashes, other_counted, NOW_MS, values)
        assert repr(other) == repr(one)
        assert other_counted == counted


def test_other_hashes_and_events_are_taken_by_python(compiled: ModuleType) -> None:
    seen: list[Any] = []
    intake: Any = compiled.Intake(EventRow, Outcome.RETIRED, lambda *values: seen.append(values))
    saga = SagaRecord("orders", "f1")
    for event, hashes in ((ROW, IdHashes()), (tuple(ROW), hashes_by(compiled)())):
        intake.take_in(saga, event, hashes, Counter(), NOW_MS)
        assert seen.pop()[:3] == (saga, event, hashes)
    saga.events = None  # type: ignore[assignment]
    intake.take_in(saga, ROW, hashes_by(compiled)(), Counter(), NOW_MS)
    assert len(seen) == 1
    with pytest.raises(TypeError, match="other fields"):
        compiled.Intake(tuple, Outcome.RETIRED, take_in)


def some(dice: random.Random) -> list[EventRow]:
    """Events of which every text is an object of its own."""
    return [
        ROW._replace(
            event_id=f"{dice.randrange(30)}-ü-", type=f"Type{dice.randrange(3)}", subject=f"s{dice.randrange(3)}",
            causation_id=f"{dice.randrange(30)}-ü-", timestamp_ms=dice.randrange(10**12),
        )
        for _ in range(40)
    ]  # fmt: skip


def taken(events: list[EventRow], compiled: ModuleType) -> None:
    """Everything that is made of events of instances."""
    by, hashes, saga = blobs_by(compiled), hashes_by(compiled)(), SagaRecord("orders", "f1")
    for event in events:
        intake_by(compiled)(saga, event, hashes, Counter(), 2**60, ())
    blob = by.pack(saga.events)
    assert by.unpack(blob) == saga.events
    outcome(by.unpack, blob[:-3])
    outcome(by.unpack, blob[:-3] + b"\xff\xff\xff")
    saga.events[2**70] = (1, "a", 0)
    outcome(by.pack, saga.events)


@pytest.mark.slow
def test_nothing_is_kept_and_nothing_let_go_twice(compiled: ModuleType) -> None:
    dice = random.Random(3)
    events = some(dice)
    objects = [value for event in events for value in event if isinstance(value, str)]
    before = [sys.getrefcount(value) for value in objects]
    for _ in range(100):
        taken(dice.sample(events, 20), compiled)
    gc.collect()
    assert [sys.getrefcount(value) for value in objects] == before


@pytest.mark.slow
def test_memory_stays_as_it_is(compiled: ModuleType) -> None:
    for seed in range(20):
        taken(some(random.Random(seed)), compiled)
    tracemalloc.start()
    try:
        taken(some(random.Random(20)), compiled)
        gc.collect()
        first, _ = tracemalloc.get_traced_memory()
        for seed in range(21, 221):
            taken(some(random.Random(seed)), compiled)
        gc.collect()
        last, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last - first < 20_000  # one text kept of each run would be as much
