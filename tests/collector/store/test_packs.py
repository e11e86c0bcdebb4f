"""Events in packs: every event comes back as it was, is found by each of its ids, and by no other."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.events.identity import IdHashes
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.events.sql import EventReads
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.store.packs.format import COLUMNS, MAX_EVENTS, Packer, rows_of, unpacked
from flowtrail_collector.store.packs.hashes import first_key, id_hash, key_of, segment_of
from flowtrail_collector.store.packs.reading import newest_row, packs_between, packs_of_ids, segments
from flowtrail_collector.store.packs.writing import id_rows, made
from flowtrail_collector.store.postgres.database import PostgresDatabase
from flowtrail_collector.store.postgres.driver import connect
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from storekit import EVENT
from storekit.events import stored_events
from storekit.older import back_before

NUMBERS = st.integers(-(2**63), 2**63 - 1)
# A small alphabet makes many values equal, and whole columns of one value.
TEXTS = st.one_of(st.text(), st.sampled_from(["a", "b", "1", "null", "", "\0", "ü"]))
EVENTS = st.builds(
    EventRow, TEXTS, st.integers(0, 3), NUMBERS, TEXTS, TEXTS, st.none() | TEXTS, st.none() | TEXTS,
    st.none() | NUMBERS, st.none() | TEXTS, st.none() | TEXTS, st.none() | NUMBERS, st.none() | NUMBERS,
    st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.booleans(),
)  # fmt: skip
FINDERS = {
    "event_id": lambda reads, text: reads.events_by_id(text, 10_000),
    "subject": lambda reads, text: reads.events_by_subject(text, 10_000),
    "correlation_id": lambda reads, text: reads.events_by_correlation([text], 10_000),
    "trace_id": lambda reads, text: reads.events_by_trace(text, 10_000),
}


def some_events(count, seed=1):
    """Events of a few flows, of which ids of one kind turn up as those of another."""
    dice = random.Random(seed)
    ids = [f"id-{number}" for number in range(count // 4 + 2)]
    return [
        EVENT._replace(
            offset=number, event_id=f"e{number}" if dice.random() < 0.8 else dice.choice(ids), type=dice.choice("AB"),
            subject=dice.choice([None, *ids]), correlation_id=dice.choice([None, *ids]), trace_id=dice.choice(ids),
            timestamp_ms=dice.choice([None, dice.randrange(1_000)]), dead_letter=dice.random() < 0.1,
        )
        for number in range(count)
    ]  # fmt: skip


def write(database, events, at_once):
    for start in range(0, len(events), at_once):
        with store_on(database).unit() as unit:
            unit.add_events(events[start : start + at_once])


def test_columns_are_those_of_events():
    assert EventRow._fields == COLUMNS


@given(st.lists(EVENTS, min_size=1, max_size=30))
def test_events_come_back_as_they_were(events):
    found = list(rows_of(unpacked(Packer().packed(events)), len(events)))
    assert found == events
    assert [list(map(type, row)) for row in found] == [list(map(type, row)) for row in events]


def test_half_a_pair_of_surrogates_stops_nothing():
    (row,) = rows_of(unpacked(Packer().packed([EVENT._replace(subject="a\ud800")])), 1)
    assert row == EVENT._replace(subject="a?")


@pytest.mark.slow
@given(st.lists(EVENTS, min_size=1, max_size=600), st.integers(0, 2**40))
@settings(suppress_health_check=list(HealthCheck), max_examples=30)
def test_every_id_leads_to_the_packs_it_is_in(events, first):
    packs = list(made(events, IdHashes().__getitem__))
    assert sum(pack.events for pack in packs) == len(events)
    assert max(pack.events for pack in packs) <= MAX_EVENTS
    numbered = list(zip(range(first, first + MAX_EVENTS * len(packs), MAX_EVENTS), packs, strict=True))
    rows = id_rows(numbered)
    assert rows == sorted(set(rows))
    for row, pack in numbered:
        for event in rows_of(unpacked(pack.body), pack.events):
            for text in (event[3], event[6], event[8], event[12]):
                assert text is None or (key_of(segment_of(row), id_hash(text)), row) in rows


@given(NUMBERS, st.integers(0, 2**40))
def test_keys_stand_in_their_segment(hash_, row):
    segment = segment_of(row)
    assert first_key(segment) <= key_of(segment, hash_) < first_key(segment + 1) < 2**63


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 7, 1_000])
def test_events_are_found_by_every_id_and_by_no_other(sql_database, at_once):
    events = some_events(300)
    write(sql_database, events, at_once)
    assert sorted(stored_events(sql_database).values()) == sorted(events)
    reads = EventReads(sql_database)
    for name, find in FINDERS.items():
        for text in {getattr(event, name) for event in events} - {None} | {"unknown", ""}:
            expected = [event for event in events if getattr(event, name) == text]
            # The first time of an event is that of its record; these have one of their own besides.
            expected.sort(
                key=lambda event: (1 if event.timestamp_ms is None else event.timestamp_ms, event.offset)
            )
            found = find(reads, text)
            assert [event.offset for event in found] == [event.offset for event in expected], (name, text)
            assert [event.type for event in found] == [event.type for event in expected]


def test_ids_that_share_a_hash_are_told_apart(sql_database, monkeypatch):
    for module in ("flowtrail_collector.events.sql", "flowtrail_collector.topology.sql"):
        monkeypatch.setattr(f"{module}.id_hash", lambda text: 1)
    events = some_events(40)
    with store_on(sql_database).unit() as unit:
        unit.add_events(events, lambda text: 1)
    reads = EventReads(sql_database)
    for event in events:
        assert event.offset in [found.offset for found in reads.events_by_id(event.event_id, 100)]
        assert {found.trace_id for found in reads.events_by_trace(event.trace_id, 100)} == {event.trace_id}
    assert reads.events_by_id("unknown", 100) == []


def test_packs_are_read_by_the_numbers_of_their_events(sql_database):
    write(sql_database, some_events(700), 300)
    stored = stored_events(sql_database)
    numbers = sorted(stored)
    with sql_database.read() as connection:
        assert newest_row(connection) == numbers[-1]
        for first, until in (
            (0, 1),
            (numbers[5], numbers[6]),
            (numbers[299], numbers[302]),
            (numbers[-1], 2**62),
        ):
            wanted = [number for number in numbers if first <= number < until]
            found = [number for pack in packs_between(connection, first, until) for number in pack.numbers]
            assert set(wanted) <= set(found)
            assert len(found) <= len(wanted) + 2 * MAX_EVENTS
        assert packs_of_ids(connection, [], segments(connection)) == []


def test_a_store_of_the_version_before_is_packed_once(sql_database, tmp_path):
    events = some_events(600)
    write(sql_database, events, 200)
    with (
        sql_database.transaction() as connection
    ):  # numbers that were never used, as another worker's rollback leaves
        ((gone,),) = connection.execute("SELECT max(first_row) FROM event_packs").fetchall()
        connection.execute(
            "DELETE FROM event_packs WHERE first_row = (SELECT min(first_row) FROM event_packs)"
        )
    before = stored_events(sql_database)
    assert 0 < len(before) < 600
    assert gone in before
    again = as_before_packs(sql_database)
    try:
        assert stored_events(again) == before
        reads = EventReads(again)
        for event in before.values():
            assert event.offset in [found.offset for found in reads.events_by_id(event.event_id, 1_000)]
        write(again, [EVENT._replace(event_id="new", offset=10_000)], 1)
        after = stored_events(again)
        assert max(after) > max(before)
        assert len(after) == len(before) + 1
    finally:
        again.close()


def as_before_packs(database):
    """Put a store back to the version before, and open it anew."""
    if isinstance(database, PostgresDatabase):
        with connect(database._url) as connection:
            back_before(connection, "packs")
        return PostgresDatabase(database._url)
    with closing(sqlite3.connect(database.path)) as connection:
        back_before(connection, "packs")
        connection.commit()
    return SqliteDatabase(database.path)
