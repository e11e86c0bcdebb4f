"""Events taken out of packs: those that stay keep their numbers and are found; of the others nothing is left."""

from __future__ import annotations

import random
import threading
from itertools import pairwise

import pytest

from flowtrail_collector.events.forgetting import FlowEvents
from flowtrail_collector.events.sql import EventReads
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.sagas.sql.followed import first_row_since, page_of_events
from flowtrail_collector.store.packs.hashes import id_hash, key_of, segment_of
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.store.packs.reading import newest_row, packs_between
from flowtrail_collector.store.packs.thinning import thin_out
from flowtrail_collector.store.packs.writing import ids_of
from flowtrail_collector.store.pruner import SqlPruner
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.topology.sql import SqlTopology
from keepkit import HOUR_MS, Shelf, told
from storekit import EVENT
from storekit.events import stored_events

AT_ONCE = 300


def fill(database, count, seed=1):
    """Events of flows whose ids turn up in each other, some without; what is known of them, by number."""
    dice = random.Random(seed)
    ids = [f"id-{number}" for number in range(count // 4 + 2)]
    for start in range(0, count, AT_ONCE):
        with store_on(database).unit() as unit:
            unit.add_events(
                EVENT._replace(
                    offset=number, event_id=f"e{number}", subject=dice.choice([None, *ids]), type=dice.choice("AB"),
                    correlation_id=dice.choice([None, *ids]), trace_id=dice.choice(ids), timestamp_ms=number,
                )
                for number in range(start, min(count, start + AT_ONCE))
            )  # fmt: skip
    return stored_events(database)


def flows_of(events):
    return sorted({event.correlation_id for event in events.values()} - {None})


def forget(database, flows):
    with database.transaction() as connection:
        return FlowEvents(connection).forget(flows)


@pytest.mark.slow
@pytest.mark.parametrize("portions", [1, 3, 40])
def test_what_stays_keeps_its_numbers_and_ids(sql_database, portions):
    left = fill(sql_database, 700)
    flows = flows_of(left)
    random.Random(2).shuffle(flows)
    for portion in range(portions):
        going = set(flows[: len(flows) * 3 // 4][portion::portions])
        staying = {number: event for number, event in left.items() if event.correlation_id not in going}
        assert forget(sql_database, going) == len(left) - len(staying)
        left = staying
        assert stored_events(sql_database) == left
    assert hashes(sql_database) == keys_of(sql_database)
    reads = EventReads(sql_database)
    for name, find in (
        ("event_id", lambda text: reads.events_by_id(text, 1_000)),
        ("subject", lambda text: reads.events_by_subject(text, 1_000)),
        ("trace_id", lambda text: reads.events_by_trace(text, 1_000)),
        ("correlation_id", lambda text: reads.events_by_correlation([text], 1_000)),
    ):
        for text in (*flows, "e1", "e2", "e3"):
            expected = {event.offset for event in left.values() if getattr(event, name) == text}
            assert {event.offset for event in find(text)} == expected, (name, text)


def test_numbers_of_what_is_left_are_read_alike_everywhere(sql_database):
    before = fill(sql_database, 700)
    forget(sql_database, flows_of(before)[::2])
    left = stored_events(sql_database)
    assert len(left) < 500
    numbers = sorted(left)
    with sql_database.read() as connection:
        for first, until in ((0, 2**62), (numbers[9], numbers[200]), (numbers[-1], numbers[-1] + 1)):
            wanted = [(number, left[number]) for number in numbers if first <= number < until]
            assert page_of_events(connection, "AB", (first, until), 1_000) == wanted
        for number in numbers[:300]:
            found = [pack for pack in packs_between(connection, number, number + 1) if number in pack.numbers]
            assert len(found) == 1
        for since_ms in range(0, 300, 7):
            due = [number for number in numbers if left[number].timestamp_ms >= since_ms]
            first = first_row_since(connection, since_ms)
            assert set(due) <= {number for number in numbers if number >= first}


def test_a_flow_with_what_has_not_been_looked_through_is_in_use(sql_database):
    before = fill(sql_database, 700)
    with sql_database.transaction() as connection:
        pending, last = sorted(before)[5], sorted(before)[400]
        connection.execute("INSERT INTO edge_pending VALUES (?)", (pending,))
        connection.execute("UPDATE edge_position SET event_row = ?", (last,))
    expected = {
        event.correlation_id for number, event in before.items() if number > last or number == pending
    }
    with sql_database.read() as connection:
        assert FlowEvents(connection).in_use(flows_of(before)) == expected - {None}
        pairs = [(event.subject, event.correlation_id, event.trace_id) for event in before.values()]
        some = flows_of(before)[:50]
        assert FlowEvents(connection).subjects_of(some) == {s for s, f, _ in pairs if f in some} - {None}
        assert FlowEvents(connection).traces_of(some) == {t for _, f, t in pairs if f in some}
        by_trace = FlowEvents(connection).flows_of_traces(some)
        assert by_trace == {
            text: {f for _, f, t in pairs if t == text} for text in {t for *_, t in pairs if t in some}
        }


def test_new_events_go_on_behind_the_gaps(sql_database):
    before = fill(sql_database, 700)
    learning = Learning(sql_database, [SqlTopology(sql_database)])
    while learning.learn():
        pass
    newest = max(before)
    forget(sql_database, set(flows_of(before)) - {before[newest].correlation_id})
    with sql_database.read() as connection:
        assert newest_row(connection) == newest
    assert learning.learn() == 0
    with store_on(sql_database).unit() as unit:
        unit.add_events([EVENT._replace(event_id="new", offset=1_000)])
    assert learning.learn() == max(stored_events(sql_database)) - newest > 0
    assert learning.learn() == 0


@pytest.mark.parametrize("limit", [100, 1_000, 100_000])
def test_too_old_events_go_beside_those_that_are_spared(sql_database, limit):
    before = fill(sql_database, 2_000)
    learning = Learning(sql_database, [SqlTopology(sql_database)])
    while learning.learn():
        pass
    kept = set(flows_of(before)[::5])
    pruner = SqlPruner(sql_database, spare=lambda connection, flows: kept & flows)
    for _ in range(100):
        if pruner.prune_events(1_200, limit) < limit:
            break
    left = stored_events(sql_database)
    # Packs go by their last events, so some are older than those that went.
    gone = {number: event for number, event in before.items() if number not in left}
    assert all(event.timestamp_ms < 1_200 and event.correlation_id not in kept for event in gone.values())
    old = [event for event in left.values() if event.timestamp_ms < 1_200 - AT_ONCE]
    assert old
    assert {event.correlation_id for event in old} <= kept
    assert hashes(sql_database) == keys_of(sql_database)


@pytest.mark.slow
def test_a_pack_is_not_written_anew_for_each_of_its_trails(tmp_path):
    database = SqliteDatabase(tmp_path / "store")
    shelf = Shelf(database, keep=("completed=5%",))
    dice = random.Random(1)
    text = "OrderPlaced | StockReserved | PaymentCompleted | OrderShipped"
    start_ms, records = shelf.now_ms, []
    # The order in which they end says nothing of where they are packed.
    for later_ms, number in enumerate(dice.sample(range(1_500), 1_500)):
        records += told(number, start_ms + later_ms, dice, text)
    shelf.read(records)
    shelf.pass_time(2 * HOUR_MS)
    with database.transaction() as connection:
        packs = connection.execute("SELECT count(*) FROM event_packs").fetchone()[0]
        connection.execute("CREATE TABLE written (pack INTEGER)")
        for when in ("UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER count_{when} AFTER {when} ON event_packs"
                " BEGIN INSERT INTO written VALUES (old.first_row); END"
            )
    gone = shelf.keeper.prune(threading.Event())
    with database.read() as connection:
        written = connection.execute("SELECT count(*) FROM written").fetchone()[0]
    database.close()
    assert gone > 1_000
    assert 0 < written <= packs + 2 * (gone // 100 + 1)


def test_a_file_gives_back_as_much_as_it_is_asked_to(tmp_path):
    database = SqliteDatabase(tmp_path / "store")
    with database.transaction() as connection:
        connection.execute("CREATE TABLE filled AS SELECT randomblob(9000000) AS body")
        connection.execute("DROP TABLE filled")
    free = [free_pages(database)]
    while database.give_back(300):
        free.append(free_pages(database))
    database.close()
    assert {before - after for before, after in pairwise(free)} == {300}
    assert len(free) > 3


def free_pages(database):
    with database.read() as connection:
        return connection.execute("PRAGMA freelist_count").fetchone()[0]


def hashes(database):
    with database.read() as connection:
        return {tuple(row) for row in connection.execute("SELECT key, pack FROM event_ids").fetchall()}


def keys_of(database):
    """The hashes of what is kept."""
    with database.read() as connection:
        return {
            (key_of(segment_of(pack.first_row), id_hash(text)), pack.first_row)
            for pack in packs_between(connection, 0, 2**62)
            for text in ids_of(pack.rows())
        }


@pytest.mark.slow
def test_pages_of_thinned_packs_hold_what_is_left(tmp_path):
    """A pack that shrinks frees its pages, so that the share that stays takes its share of the disk."""
    database = SqliteDatabase(tmp_path / "s")
    empty = database.used_bytes()
    before = fill(database, 20_000)
    full = database.used_bytes() - empty
    flows = flows_of(before)
    random.Random(3).shuffle(flows)
    staying = set(flows[: len(flows) // 50])
    going = [flow for flow in flows if flow not in staying] + [None]
    for start in range(0, len(going), 500):
        with database.transaction() as connection:
            FlowEvents(connection).forget([flow for flow in going[start : start + 500] if flow])
    with database.transaction() as connection:
        thin_out(connection, [row for (row,) in connection.execute("SELECT first_row FROM event_packs")], lambda flow: flow is None)  # fmt: skip
    left = stored_events(database)
    assert {event.correlation_id for event in left.values()} <= staying
    assert 100 < len(left) < 600
    kept = database.used_bytes() - empty
    database.close()
    assert kept < full / 8, (kept, full)
