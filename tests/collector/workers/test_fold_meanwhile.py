"""Stored events are added while workers read on: instances are locked one after the other, and each event counts once."""

from __future__ import annotations

import random
import threading

from flowtrail_collector.errors import StoreConflictError
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.folding import Fold
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.store.postgres.database import PostgresDatabase
from sagakit import Happening
from waiting import until

FLOWS = parse_flows(
    "flows: {orders: {starts: Placed, steps: {pay: {done: Paid}, ship: {done: Shipped}}, completes: Shipped}}"
)
INSTANCES, PORTION = 300, 50


def batches():
    """Every event of every instance once, in disorder, in portions."""
    kinds = ("Placed", "Paid", "Shipped")
    happened = [
        Happening(kind, 1_000 * n, flow=f"f{i}") for i in range(INSTANCES) for n, kind in enumerate(kinds, 1)
    ]
    random.Random(5).shuffle(happened)
    records = [
        Incoming("orders", 0, offset, item.at_ms, None, item.headers) for offset, item in enumerate(happened)
    ]
    return [records[begin : begin + PORTION] for begin in range(0, len(records), PORTION)]


def read(store, flows, portions):
    ingest = Ingest(store, flows)
    for records in portions:
        begin = records[0].offset
        advance = Advance("orders", 0, begin or None, begin + len(records), 5_000)
        until(
            lambda records=records, advance=advance: applied(ingest, records, advance), "a portion read", 30
        )


def applied(ingest, records, advance):
    """Whether it was taken in; if others are in the way all the time, a worker begins the portion again."""
    try:
        ingest.apply(records, [advance])
    except StoreConflictError:
        return False
    return True


def test_each_event_counts_once(postgres, monkeypatch):
    monkeypatch.setattr("flowtrail_collector.sagas.folding._PER_TRANSACTION", 20)
    database = PostgresDatabase(postgres)
    try:
        store, portions = PostgresStore(database), batches()
        half = len(portions) // 2
        store.follow({})
        read(store, Flows(), portions[:half])
        store.follow({"orders": FLOWS.by_name["orders"].types})
        failures = []

        def read_on():
            try:
                read(store, FLOWS, portions[half:])
            except Exception as error:
                failures.append(error)

        reading = threading.Thread(target=read_on)
        reading.start()
        folded = Fold(store, FLOWS, is_copy=lambda topic: False).run(0)
        reading.join()
        assert not failures
        assert folded.events == half * PORTION
        with store.unit() as unit:
            unit.advance([Advance("orders", 0, 3 * INSTANCES, 3 * INSTANCES, 60_000)])
        Sweeper(store, FLOWS).sweep()
        counts = store.saga_figures().counts
        assert counts["saga_started", ("orders",)] == INSTANCES
        assert counts["saga_ended", ("orders", "completed")] == INSTANCES
        assert ("saga_duplicate_events", ("orders",)) not in counts
    finally:
        database.close()
