"""At a share of the completed, whatever else happened stays whole, and every count is that of a store that keeps all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowtrail_collector.events.identity import id_hash
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from keepkit import DAY_MS, HOUR_MS, Shelf, records_of, spans_of, told
from sagakit.load import STORIES

COMPLETED = "OrderPlaced | StockReserved | PaymentCompleted | OrderShipped"
ORDERS = 6 * len(STORIES)
LETTERS = {0, len(STORIES), 1}
KEEP = ("completed=20%",)


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[Shelf]:
    """A store that keeps all."""
    database = SqliteDatabase(tmp_path / "everything.sqlite")
    yield Shelf(database)
    database.close()


@pytest.fixture
def shelf(sql_database: Any) -> Shelf:
    return Shelf(sql_database, keep=KEEP)


def chosen(flow: str, share: float = 0.2) -> bool:
    return id_hash(flow) % 2**64 < share * 2**64


def family(flow: str) -> str:
    """What a story's parent is called: its children have its name before theirs."""
    return "-".join(flow.split("-")[:2])


def fill(*shelves: Shelf) -> None:
    records = records_of(ORDERS, random.Random(7), LETTERS)
    spans = spans_of(records)
    for shelf in shelves:
        shelf.read(records, spans)
        shelf.pass_time(10 * 60_000)


def simple(shelf: Shelf) -> set[str]:
    """Families of which every instance simply completed."""
    bad = {f"flow-{number}" for number in LETTERS}
    there = set()
    for (_, key), (outcome, *_, breached, flags, _, late) in shelf.instances().items():
        there.add(family(key.partition("\x1f")[0]))
        if outcome != "completed" or breached or flags or late:
            bad.add(family(key.partition("\x1f")[0]))
    return there - bad


@pytest.mark.slow
def test_all_but_a_share_of_what_simply_completed_stays_whole(shelf: Shelf, everything: Shelf) -> None:
    fill(shelf, everything)
    assert shelf.forget() == 0  # it rests for an hour
    shelf.pass_time(2 * HOUR_MS)
    everything.pass_time(2 * HOUR_MS)
    assert shelf.forget() > 0
    all_events, all_instances = everything.events(), everything.instances()
    by_family: dict[str, set[str]] = {}
    for flow in all_events:
        by_family.setdefault(family(flow), set()).add(flow)
    going = {name for name in simple(everything) if not any(chosen(flow) for flow in by_family[name])}
    assert len(going) > 10
    left = {flow: events for flow, events in all_events.items() if family(flow) not in going}
    assert shelf.events() == left
    own = {key: row for key, row in all_instances.items() if family(key[1].partition("\x1f")[0]) not in going}
    assert shelf.instances() == own
    assert shelf.spans_by_flow(left) == everything.spans_by_flow(left)
    gone = set(all_events) - set(left)
    assert set().union(*shelf.spans_by_flow(gone).values()) == set()
    assert shelf.counters() == everything.counters()


def test_nothing_is_left_to_forget_after_a_restart(shelf: Shelf) -> None:
    fill(shelf)
    shelf.pass_time(2 * HOUR_MS)
    assert shelf.forget() > 0
    shelf.restart()
    assert shelf.forget() == 0


def test_what_comes_while_an_instance_rests_is_judged(shelf: Shelf, everything: Shelf) -> None:
    late = next(number for number in range(1_000) if not chosen(f"flow-{number}"))
    records = told(late, 1_700_000_000_000, random.Random(1), COMPLETED)
    for each in (shelf, everything):
        each.read(records)
        each.pass_time(30 * 60_000)
    behind = told(late, everything.now_ms, random.Random(1), "OrderCancelled")
    for each in (shelf, everything):
        each.read(behind)
        each.pass_time(3 * HOUR_MS)
        each.forget()
    assert shelf.instances() == everything.instances()
    assert shelf.events() == everything.events()
    assert shelf.counters() == everything.counters()


def test_one_open_instance_keeps_all_with_its_correlation_id(sql_database: Any) -> None:
    flows = """
flows:
  orders: {starts: Placed, steps: {ship: {done: Shipped}}, completes: Shipped}
  refunds: {starts: Asked, steps: {pay: {done: Paid}}, completes: Paid, within: 1w}
"""
    shelf = Shelf(sql_database, flows=flows, keep=("completed=0%",))
    shelf.read(told(1, 1_700_000_000_000, random.Random(1), "Placed | Shipped | Asked"))
    shelf.pass_time(DAY_MS)
    assert shelf.forget() == 0
    shelf.read(told(1, shelf.now_ms, random.Random(1), "Paid"))
    shelf.read(told(2, shelf.now_ms, random.Random(1), "Placed"))
    shelf.pass_time(2 * HOUR_MS)
    shelf.restart()
    assert shelf.forget() == 2
    assert set(shelf.events()) == {"flow-2"}


def test_ages_by_outcome(sql_database: Any) -> None:
    keep = ("completed=2d", "failed=20d", "troubled=9d")
    shelf = Shelf(
        sql_database,
        keep=keep,
        events_seconds=5 * 86_400,
        sagas_seconds=6 * 86_400,
        forget_after_seconds=3_600,
    )
    stories = {1: COMPLETED, 2: STORIES[2].text, 3: STORIES[1].text, 4: COMPLETED + " ... OrderCancelled"}
    for number, text in stories.items():
        shelf.read(told(number, 1_700_000_000_000, random.Random(1), text))
    shelf.read(told(9, shelf.now_ms, random.Random(1), "OrderPlaced"))  # the newest event always stays
    there = []
    for _ in range(22):
        shelf.pass_time(DAY_MS)
        if len(there) % 3 == 0:
            shelf.restart()
        shelf.forget()
        instances = {key for _, key in shelf.instances()}
        there.append((set(shelf.events()) - {"flow-9"}, instances - {"flow-9"}))
    left = [{int(flow[5:]) for flow in events} for events, _ in there]
    # After so many days and some minutes: the completed, the compensated one's events, the troubled, the failed.
    assert [len(left[day - 1]) for day in (1, 2, 5, 9, 20)] == [4, 3, 2, 1, 0]
    assert (left[1], left[5], left[10]) == ({2, 3, 4}, {2, 4}, {2})
    assert {int(flow[5:]) for flow in there[6][1]} == {2, 4}


@pytest.mark.slow
def test_the_file_gives_its_space_back(tmp_path: Path) -> None:
    empty = SqliteDatabase(tmp_path / "empty")
    sizes = {"empty": empty.used_bytes()}
    empty.close()
    for name, keep in (("all", ()), ("one", ("completed=1%",))):
        database = SqliteDatabase(tmp_path / name)
        shelf = Shelf(database, keep=keep)
        records = [
            record
            for number in range(1_000)
            for record in told(number, 1_700_000_000_000, random.Random(number), COMPLETED)
        ]
        shelf.read(records, spans_of(records))
        shelf.pass_time(10 * 60_000)
        shelf.pass_time(2 * HOUR_MS)
        shelf.forget()
        # How long steps took is remembered of a thousand instances, whatever becomes of them.
        with database.transaction() as connection:
            connection.execute("DELETE FROM saga_histories")
        sizes[name] = database.used_bytes()
        database.close()
        sizes[f"{name} file"] = (tmp_path / name).stat().st_size
    # Every table and index has a page, full or empty.
    held = {name: sizes[name] - sizes["empty"] for name in ("all", "one")}
    assert held["one"] * 20 <= held["all"], sizes
    assert sizes["one file"] < sizes["all file"] / 2, sizes
