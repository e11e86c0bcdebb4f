"""What `--keep completed=1%` leaves, beside a collector that keeps everything: the same topic, two whole collectors.

    python -m bench.keeping --orders 100000

One order in a hundred doesn't simply complete: it fails and is compensated, fails and isn't, hangs, is cancelled, or is
late. Compared are the stores that both collectors leave: of every order that stays, instance and events; of the others,
that nothing is left; every counter and every edge; and the bytes in use.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from bench import ingest, ingest_whole
from bench.results import kafka_in, now_text, show, write
from flowtrail_collector.events.identity import id_hash
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from keepkit import Shelf

OUT = Path("build/bench/keeping.json")
TARGETS = {
    "instances_that_differ": ["<=", 0],
    "orders_whose_events_differ": ["<=", 0],
    "counters_that_differ": ["<=", 0],
    "disk_ratio": ["<=", 0.05],
}
SHARE = 0.01
_ODD_EVERY = 100
_REST_MS, _SPAN_MS = 2 * 3_600_000, 3_600_000
_STEP_MS, _LATE_MS = 100, 40_000
_COMPLETED = ingest.TYPES
# What becomes of the orders that don't simply complete, in turns; a number is how late the next event is, in ms.
_WAYS: tuple[tuple[str | int, ...], ...] = (
    ("OrderPlaced", "StockReserved", "PaymentFailed", "StockReleased"),
    ("OrderPlaced", "StockReserved", "PaymentCompleted", "OrderCancelled"),
    ("OrderPlaced", "StockReserved"),
    ("OrderPlaced", "OrderCancelled"),
    ("OrderPlaced", _LATE_MS, "StockReserved", "PaymentCompleted", "OrderConfirmed", "OrderShipped"),
    (*_COMPLETED, "PaymentRefunded"),
)  # fmt: skip
_LEFT = "SELECT count(*) FROM sagas"
# Instances of which something is to be decided, by what has been read.
_DUE = "SELECT count(*) FROM sagas WHERE next_deadline_ms <= (SELECT min(watermark_ms) FROM positions)"


def way_of(order: int) -> Sequence[str | int]:
    """What happens to an order."""
    return _WAYS[order // _ODD_EVERY % len(_WAYS)] if order % _ODD_EVERY == 0 else _COMPLETED


def flow_of(order: int) -> str:
    """Its correlation id."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(order)))


def stays(order: int) -> bool:
    """Whether `--keep` keeps an order, by what docs/keeping.md says."""
    return order % _ODD_EVERY == 0 or id_hash(flow_of(order)) % 2**64 < SHARE * 2**64


def happened(orders: int, begin_ms: int) -> list[tuple[int, int, int, str]]:
    """Every event as (moment, order, place within it, type), in the order of time."""
    found = []
    for order in range(orders):
        moment = begin_ms + order * _SPAN_MS // orders
        place = 0
        for each in way_of(order):
            moment += each if isinstance(each, int) else _STEP_MS
            if isinstance(each, str):
                found.append((moment, order, place, each))
                place += 1
    return sorted(found)


def fill(servers: str, topic: str, orders: int) -> int:
    """Write the orders, then an event into each partition that says that time has passed; the number of records."""
    now_ms = int(time.time() * 1000)
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, ingest.PARTITIONS, 1)])[topic].result(30)
    producer = Producer(
        {"bootstrap.servers": servers, "enable.idempotence": True, "queue.buffering.max.messages": 500_000}
    )
    events = happened(orders, now_ms - _REST_MS - _SPAN_MS)
    for number, (moment, order, place, kind) in enumerate(events):
        flow = flow_of(order)
        headers = {
            "ce_specversion": "1.0",
            "ce_id": f"{flow}-{place}",
            "ce_type": kind,
            "ce_source": "/shop",
            "ce_subject": f"order-{order}",
            "ce_correlationid": flow,
            "traceparent": f"00-{uuid.UUID(flow).hex}-{number + 1:016x}-01",
            **({"ce_causationid": f"{flow}-{place - 1}"} if place else {}),
        }
        with suppress(BufferError):
            producer.produce(topic, ingest.PAYLOAD, flow, headers=list(headers.items()), timestamp=moment)
            continue
        raise SystemExit("the producer's buffer is full: use fewer orders")
    for partition in range(ingest.PARTITIONS):
        headers = {"ce_id": f"passed-{partition}", "ce_type": "TimePassed", "ce_source": "/shop"}
        producer.produce(
            topic, b"{}", partition=partition, headers=list(headers.items()), timestamp=now_ms - 60_000
        )
    assert producer.flush(120) == 0
    return len(events) + ingest.PARTITIONS


def collect(source: Sequence[str], records: int, left: int, edges: int, folder: Path) -> Path:
    """Run a collector until everything is read, judged and counted and so many instances are left; its store."""
    name = Path(tempfile.mkdtemp(dir=folder))
    store = name / "store.sqlite"
    process = ingest_whole.start(source, store, folder)
    try:
        until = time.monotonic() + 1_800
        while True:
            time.sleep(0.5)
            assert process.poll() is None, "the collector has ended"
            assert time.monotonic() < until, "it doesn't come to an end"
            read, _, counted = ingest_whole.progress(store)
            if read < records or counted < edges or asked(store, _DUE) or asked(store, _LEFT) > left:
                continue
            if asked(store, "PRAGMA freelist_count") * 3 < asked(store, "PRAGMA page_count"):
                break  # what lies free has been given back
    finally:
        process.terminate()
        process.wait(60)
    return store


def asked(store: Path, statement: str) -> int:
    """A number of a store."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return int(connection.execute(statement).fetchone()[0])


@contextmanager
def opened(store: Path) -> Iterator[Shelf]:
    """A store that a collector left."""
    database = SqliteDatabase(store)
    try:
        yield Shelf(database, flows=ingest.FLOWS)
    finally:
        database.close()


def compared(everything: Path, share: Path, orders: int) -> dict[str, float]:
    """What differs that should not."""
    staying = {flow_of(order) for order in range(orders) if stays(order)}
    with opened(everything) as full, opened(share) as kept:
        whole = {key: row for key, row in full.instances().items() if key[1] in staying}
        ours = kept.instances()
        events = {
            flow: ids for flow, ids in full.events().items() if flow in staying or flow.startswith("passed")
        }
        own = kept.events()
        counts, counted = full.counters(), kept.counters()
        return {
            "orders": orders,
            "orders_that_stay": len(staying),
            "instances_that_differ": len(whole.items() ^ ours.items()),
            "orders_whose_events_differ": sum(
                events.get(flow) != own.get(flow) for flow in events.keys() | own.keys()
            ),
            "counters_that_differ": len(counts.items() ^ counted.items()),
            "disk_ratio": round(kept.database.used_bytes() / full.database.used_bytes(), 4),
            "file_ratio": round(share.stat().st_size / everything.stat().st_size, 4),
            "all_mb": round(full.database.used_bytes() / 1e6, 1),
        }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=60_000)
    orders = parser.parse_args().orders // _ODD_EVERY * _ODD_EVERY
    began = now_text()
    with tempfile.TemporaryDirectory() as name:
        folder, topic = Path(name), f"bench-{uuid.uuid4().hex[:8]}"
        (folder / "flows.yaml").write_text(ingest.FLOWS)
        with kafka_in(folder) as servers:
            records = fill(servers, topic, orders)
            source = ["--bootstrap-servers", servers, "--topics", topic]
            edges = records - ingest.PARTITIONS - orders
            everything = collect(source, records, orders, edges, folder)
            left = sum(stays(order) for order in range(orders))
            share = collect([*source, "--keep", f"completed={SHARE:.0%}"], records, left, edges, folder)
        figures = compared(everything, share, orders)
    show(figures, TARGETS, 42)
    write(OUT, started=began, versions={}, runs={}, figures=figures, targets=TARGETS)


if __name__ == "__main__":
    main()
