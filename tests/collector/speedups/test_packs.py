"""Packs, hashes and the rows of ids are made alike in Python and in C: the contract of `Packing` and `Hashes`."""

from __future__ import annotations

import gc
import random
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from hashlib import blake2b
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.events.identity import Hashes, IdHashes, hashes_by
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.store.packs.format import COLUMNS, MAX_EVENTS, Row
from flowtrail_collector.store.packs.hashes import first_key, hash_bits, id_hash, key_of, segment_of
from flowtrail_collector.store.packs.writing import PYTHON, Made, Packing, made, packing
from storekit import EVENT

SIZES = [0, 1, 7, 8, 36, 127, 128, 129, 255, 256, 257, 1_000]
LETTERS = ["a", "\0", "\x7f", "ü", "€", "\U0001f4a5", "\ud800"]
# Few values, so that many are equal: `True` is 1, and 1.0 is, too.
NUMBERS = st.sampled_from([0, 1, 2, -1, 255, 256, 257, 2**31, 2**62, 2**63 - 1, -(2**63), 2**64, -(2**70)])
TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=20),
    st.sampled_from(["a", "b", "", "\0", "ü", "\ud800", "x" * 128, "x" * 129]),
)
VALUES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.sampled_from([0.0, 1.0, float("nan")]))
FEW = st.sampled_from([None, True, False, 0, 1, 1.0, "a", "ü"])
MOMENTS = st.none() | NUMBERS
IDS = st.none() | TEXTS
EVENTS = st.builds(
    EventRow, VALUES, FEW, NUMBERS, TEXTS, TEXTS, IDS, IDS, VALUES, IDS, IDS, MOMENTS, MOMENTS, IDS, FEW, FEW, VALUES,
    st.booleans(),
)  # fmt: skip


class Other(NamedTuple):
    """What makes an event the same as another, in other places."""

    type: str
    event_id: str
    source: str


class Unequal:
    """Equal to nothing, not even to itself."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return False


class Text(str):
    """A text of another kind."""

    __slots__ = ()


@pytest.fixture(params=["python", "compiled"])
def module(request: pytest.FixtureRequest) -> ModuleType | None:
    found: ModuleType | None = None if request.param == "python" else request.getfixturevalue("compiled")
    return found


@pytest.fixture
def by(module: ModuleType | None) -> Packing:
    return packing(module)


@pytest.fixture
def hash_one(module: ModuleType | None) -> Callable[[str], int]:
    found: Callable[[str], int] = id_hash if module is None else module.id_hash
    return found


def blake(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def outcome(call: Callable[..., Any], *values: Any) -> Any:
    """What it gives with its kinds, or what it raises."""
    try:
        found = call(*values)
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        return type(error)
    return repr(found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("letter", LETTERS)
def test_a_hash_is_blake2b_of_8_bytes(hash_one: Callable[[str], int], size: int, letter: str) -> None:
    assert hash_one(letter * size) == blake(letter * size)


@given(TEXTS)
@settings(max_examples=300)
def test_hashes_of_any_text_are_the_same(compiled: ModuleType, text: str) -> None:
    assert compiled.id_hash(text) == id_hash(text) == blake(text)
    assert compiled.id_hash(Text(text)) == id_hash(text)


@pytest.mark.parametrize("value", [None, 1, b"a", True, ()])
def test_only_a_text_has_a_hash(compiled: ModuleType, value: Any) -> None:
    with pytest.raises(TypeError, match="an id is a text"):
        compiled.id_hash(value)


@given(st.lists(st.tuples(TEXTS, IDS, TEXTS), min_size=1, max_size=20))
def test_what_makes_events_the_same_is_the_same(
    compiled: ModuleType, found: list[tuple[str, str | None, str]]
) -> None:
    events = [EVENT._replace(event_id=own, source=source, type=kind) for own, source, kind in found]
    python = IdHashes()
    others: Any = hashes_by(compiled)()
    for event in events:
        assert others.of_event(event) == python.of_event(event)
        assert others[event.event_id] == python[event.event_id] == others.hash_of(event.event_id)
    assert dict(others) == dict(python)


def test_an_event_of_another_class_is_read_by_name(compiled: ModuleType) -> None:
    hashes: Any = hashes_by(compiled)()
    assert hashes.of_event(Other("T", "e", "s")) == id_hash("e") ^ id_hash("s\0T")


def test_events_with_other_fields_are_refused(compiled: ModuleType) -> None:
    with pytest.raises(TypeError, match="other fields"):
        compiled.IdHashes(Other)
    with pytest.raises(TypeError, match="other fields"):
        compiled.Packing(("topic",), PYTHON, first_key, 1)


@given(st.lists(EVENTS, min_size=1, max_size=30))
@settings(max_examples=300)
def test_packs_are_the_same_to_the_byte(compiled: ModuleType, events: list[EventRow]) -> None:
    by = packing(compiled)
    for name in ("columns_of", "newest_ms"):
        assert outcome(getattr(by, name), events) == outcome(getattr(PYTHON, name), events)
    assert by.ordered(events) == PYTHON.ordered(events)
    assert by.hashes_of(events, hashes_by(compiled)().hash_of) == PYTHON.hashes_of(events, id_hash)
    storable = [event._replace(offset=1, topic="t", key=None, sequence=0) for event in events]
    assert outcome(whole, storable, by, compiled) == outcome(whole, storable, PYTHON, None)


def whole(
    events: Sequence[Row], by: Packing, module: ModuleType | None
) -> tuple[list[tuple[int, int, bytes, list[int]]], list[tuple[int, int]]]:
    """The packs of events and the rows of their ids."""
    packs = list(made(events, hashes_by(module)().hash_of, until_ms=2**40, by=by))
    numbered = list(zip(range(1, 10**9, MAX_EVENTS), packs, strict=False))
    return [(*pack[:3], sorted(pack.hashes)) for pack in packs], by.id_rows(numbered)


@given(st.integers(0, len(COLUMNS) - 1), st.lists(FEW, min_size=1, max_size=12))
@settings(max_examples=300)
def test_a_column_of_one_value_is_that_value(compiled: ModuleType, place: int, values: list[Any]) -> None:
    rows = [(*EVENT[:place], value, *EVENT[place + 1 :]) for value in values]
    assert repr(packing(compiled).columns_of(rows)) == repr(PYTHON.columns_of(rows))


@given(st.lists(VALUES | st.just(Text("a\0")) | st.binary(max_size=3), max_size=17))
def test_a_nul_is_found_in_any_text(compiled: ModuleType, values: list[Any]) -> None:
    for row in (tuple(values), values):
        assert packing(compiled).has_nul(row) is PYTHON.has_nul(row)


NAN, UNEQUAL = float("nan"), Unequal()
ODD_ROWS: list[Any] = [
    [],
    (tuple(EVENT),),
    [list(EVENT), EVENT],
    [EVENT, EVENT[:16]],
    [EVENT[:3], EVENT[:3]],
    [(*EVENT, 1), (*EVENT, 1)],
    [EVENT._replace(key=NAN)] * 2,  # type: ignore[arg-type]
    [EVENT._replace(key=UNEQUAL)] * 2,  # type: ignore[arg-type]
    [EVENT._replace(key=UNEQUAL), EVENT._replace(key=Unequal())],  # type: ignore[arg-type]
    [EVENT._replace(key=Text("a")), EVENT._replace(key="a")],
    [EVENT._replace(subject=Text("a")), EVENT._replace(subject="a")],
    [EVENT._replace(key=["a"]), EVENT._replace(key=["a"])],  # type: ignore[arg-type]
    [EVENT._replace(timestamp_ms=True), EVENT._replace(timestamp_ms=1)],
    [EVENT._replace(timestamp_ms=1.5), EVENT],  # type: ignore[arg-type]
    [EVENT._replace(timestamp_ms=-5), EVENT._replace(timestamp_ms=-7)],
    [EVENT._replace(timestamp_ms="1")],  # type: ignore[arg-type]
    [EVENT._replace(event_id=7), EVENT],  # type: ignore[arg-type]
    [EVENT._replace(trace_id=b"7"), EVENT],  # type: ignore[arg-type]
]


@pytest.mark.parametrize("rows", ODD_ROWS, ids=range(len(ODD_ROWS)))
def test_odd_rows_are_taken_alike(compiled: ModuleType, rows: Any) -> None:
    by = packing(compiled)
    for name in ("ordered", "columns_of", "newest_ms"):
        assert outcome(getattr(by, name), rows) == outcome(getattr(PYTHON, name), rows)
    # Sorted, as equal sets may have their members in another order.
    found = outcome(lambda: sorted(by.hashes_of(rows, hashes_by(compiled)().hash_of)))
    expected = outcome(lambda: sorted(PYTHON.hashes_of(rows, IdHashes().hash_of)))
    assert found == expected or {found, expected} == {TypeError, AttributeError}


def test_any_function_may_make_the_hashes(by: Packing) -> None:
    assert by.hashes_of([EVENT, EVENT], lambda text: len(text) << 80) == PYTHON.hashes_of(
        [EVENT], lambda text: len(text) << 80
    )


HASHES = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, 2**40, 2**40 + 1, 2**64 + 1, -(2**90)])
PACKS = st.lists(st.frozensets(HASHES, max_size=12), max_size=6)


@given(PACKS, st.lists(st.integers(-(2**20), 2**20) | st.sampled_from([2**40, 2**41 - 1, 2**41, 2**63 - 1, 2**63, 2**70]), min_size=6, max_size=6), st.booleans())  # fmt: skip
@settings(max_examples=300)
def test_rows_of_ids_are_sorted_and_there_once(
    compiled: ModuleType, packs: list[frozenset[int]], firsts: list[int], increasing: bool
) -> None:
    places = sorted(set(firsts)) if increasing else firsts
    numbered = [(row, Made(1, 0, b"", found)) for row, found in zip(places, packs, strict=False)]
    expected = PYTHON.id_rows(numbered)
    assert packing(compiled).id_rows(iter(numbered)) == expected
    lists: Any = [[row, pack._replace(hashes=set(pack.hashes))] for row, pack in numbered]
    assert packing(compiled).id_rows(lists) == expected


def test_rows_of_ids_are_keys_in_their_order(by: Packing) -> None:
    packs = [(row, Made(1, 0, b"", frozenset({5, 2**40 + 5, -3, row}))) for row in (1, 257, 2**20)]
    rows = by.id_rows(packs)
    assert rows == sorted(
        {(key_of(segment_of(row), hash_), row) for row, pack in packs for hash_ in pack.hashes}
    )
    assert len(rows) == 9
    assert by.id_rows([]) == []
    assert hash_bits(-1) == 2**40 - 1


def hostile(dice: random.Random, count: int) -> list[EventRow]:
    """Events of which every text is an object of its own."""

    def text() -> str:
        return dice.choice(["e", "ü", "\ud800", "\0", "x" * 70]) * dice.randrange(4) + str(dice.randrange(60))

    def maybe() -> str | None:
        return None if dice.random() < 0.2 else text()

    return [
        EVENT._replace(
            offset=dice.randrange(-(2**63), 2**63), event_id=text(), type=text(), source=maybe(), subject=maybe(),
            correlation_id=maybe(), trace_id=maybe(), timestamp_ms=dice.choice([None, dice.randrange(2**40)]),
            key=dice.choice([None, text()]), dead_letter=dice.random() < 0.5,
        )
        for _ in range(count)
    ]  # fmt: skip


def taken(events: Sequence[EventRow], by: Packing, hashes: Hashes) -> None:
    """Everything that is made of events."""
    whole(events, by, None)
    numbered = [(1, Made(1, 0, b"", by.hashes_of(list(events), hashes.hash_of)))]
    by.id_rows(numbered)
    by.id_rows([(2**80, numbered[0][1]), (1, numbered[0][1])])
    for event in events:
        by.has_nul(event)
    by.columns_of([*events, EVENT._replace(key=Text("a"))])
    outcome(by.columns_of, [*events, (1,)])
    outcome(by.hashes_of, [*events, EVENT._replace(subject=7)], hashes.hash_of)  # type: ignore[arg-type]
    outcome(by.id_rows, [(1, Made(1, 0, b"", frozenset({1, "a"})))])  # type: ignore[arg-type]
    for event in events:
        hashes.of_event(event)


@pytest.mark.slow
def test_nothing_is_kept_and_nothing_let_go_twice(compiled: ModuleType) -> None:
    dice = random.Random(7)
    by = packing(compiled)
    events = hostile(dice, 300)
    objects = [value for event in events for value in event]
    before = [sys.getrefcount(value) for value in objects if isinstance(value, str)]
    for _ in range(100):
        taken(dice.sample(events, 40), by, hashes_by(compiled)())
    gc.collect()
    assert [sys.getrefcount(value) for value in objects if isinstance(value, str)] == before


@pytest.mark.slow
def test_memory_stays_as_it_is(compiled: ModuleType) -> None:
    by = packing(compiled)

    def run(seed: int) -> None:
        taken(hostile(random.Random(seed), 60), by, hashes_by(compiled)())

    for seed in range(20):
        run(seed)
    tracemalloc.start()
    try:
        run(20)
        gc.collect()
        first, _ = tracemalloc.get_traced_memory()
        for seed in range(21, 221):
            run(seed)
        gc.collect()
        last, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last - first < 20_000  # one text kept of each run would be as much
