"""A changed flow file with 200,000 open instances: how long from the collector's start until all are looked at.

    python -m bench.sagas_changed_file [--instances N] [--rate N]

A store is filled, then a real `flowtrail collector run` starts on it with another flow file, while events of other
orders are written to a real Kafka. Each change is measured twice: with events to read, and without.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from bench.results import kafka_in, now_text, show, write
from flowtrail_collector.events.identity import id_hash
from flowtrail_collector.events.model import Advance
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from servers import free_port

OUT = Path("build/bench/sagas_changed_file.json")
FILE = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, failed: StockReservationFailed, by: inventory, within: 1h, undone: StockReleased}
      charge: {done: PaymentCompleted, failed: PaymentFailed, by: billing, within: %s, undone: PaymentRefunded}
      confirm: {done: OrderConfirmed, by: orders}
      ship: {done: OrderShipped, by: fulfillment, within: 7d}
    completes: OrderShipped
    cancels: OrderCancelled
    within: 14d
"""
# Orders were placed over the last three hours: of those that wait for their payment, half are late after 90 minutes.
CHANGES = {"shortened": ("2d", "90m"), "lengthened": ("90m", "2d"), "moved": ("2d", "3d")}
STORY = ("OrderPlaced", "StockReserved", "PaymentCompleted", "OrderConfirmed")
SPAN_MS = 3 * 3_600_000
TARGETS = {f"{name}_seconds_reading": ["<=", 10] for name in CHANGES}
_CHUNK = 20_000


def fill(path: Path, topic: str, limit: str, count: int) -> None:
    """Write open instances as they stand by the old file: half wait for their payment, half for their parcel."""
    flow = parse_flows(FILE % limit).by_name["orders"]
    database = SqliteDatabase(path)
    store, now_ms = SqliteStore(database), int(time.time() * 1000)
    counts: Counter[Any] = Counter()
    for begin in range(0, count, _CHUNK):
        chunk = []
        for number in range(begin, min(count, begin + _CHUNK)):
            placed_ms = now_ms - SPAN_MS + number * SPAN_MS // count
            kinds = STORY[: 2 if number % 2 else 4]
            # Keys as they are in life: neighbours in time aren't neighbours in the store.
            saga = SagaRecord("orders", f"{number * 2654435761 % 2**48:012x}", f"order-{number}")
            for place, kind in enumerate(kinds):
                saga.events[id_hash(f"{number}-{kind}")] = (placed_ms + 40 * place, kind, place and 7)
            saga.updated_ms = placed_ms + 40 * len(kinds)
            bring_up_to_date(flow, saga, counts)
            settle(flow, saga, now_ms, counts)
            chunk.append(saga)
        with store.unit() as unit:
            unit.save_sagas(chunk)
    with store.unit() as unit:
        unit.count(counts)
        unit.remember_rules("orders", flow.rules)
        unit.advance([Advance(topic, 0, None, 0, now_ms)])
    database.close()


@contextlib.contextmanager
def written(servers: str, topic: str, per_second: int) -> Iterator[None]:
    """Meanwhile, so many events a second of new orders are written."""
    over = threading.Event()

    def run() -> None:
        producer = Producer({"bootstrap.servers": servers, "linger.ms": 5})
        began, number = time.perf_counter(), 0
        while not over.wait(0.05):
            while number < (time.perf_counter() - began) * per_second:
                order, kind = f"new-{number // 4}", STORY[number % 4]
                headers: dict[str, str | bytes | None] = {
                    "ce_specversion": "1.0", "ce_id": f"{order}-{kind}", "ce_type": kind, "ce_source": "/bench",
                    "ce_subject": order, "ce_correlationid": order,
                }  # fmt: skip
                producer.produce(topic, key=order, headers=headers)
                number += 1
            producer.poll(0)
        producer.flush()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def applied(servers: str, path: Path, topic: str, limit: str) -> dict[str, float]:
    """Start a collector with the new file on a store: seconds until it is applied, and what was read meanwhile."""
    flow_file = path.with_name("flows.yaml")
    flow_file.write_text(FILE % limit)
    rules = parse_flows(FILE % limit).by_name["orders"].rules
    command = [
        sys.executable, "-m", "flowtrail_collector", "collector", "run", "--bootstrap-servers", servers,
        "--flows", str(flow_file), "--store", str(path), "--listen", f"127.0.0.1:{free_port()}",
        "--topics", topic, "--dead-letter-topics", "none-such",
    ]  # fmt: skip
    began, steps = time.perf_counter(), [(0.0, 0)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            with contextlib.closing(sqlite3.connect(path)) as store:
                while True:
                    (offset,) = store.execute("SELECT sum(next_offset) FROM positions").fetchone()
                    passed = time.perf_counter() - began
                    if offset != steps[-1][1]:
                        steps.append((passed, offset))
                    if store.execute("SELECT rules FROM flow_rules").fetchone() == (rules,):
                        break
                    assert process.poll() is None, "the collector ended"
                    time.sleep(0.02)
            cpu_ticks = sum(
                map(int, Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])
            )
        finally:
            process.terminate()
    pauses = [after - before for (before, _), (after, _) in itertools.pairwise(steps[1:])]
    return {
        "seconds": passed,
        "cpu_seconds": cpu_ticks / os.sysconf("SC_CLK_TCK"),
        "read": steps[-1][1],
        "longest_pause_seconds": max(pauses, default=0.0),
    }


def main() -> int:
    """Measure each change, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--instances", type=int, default=200_000)
    parser.add_argument("--rate", type=int, default=2_000)
    options = parser.parse_args()
    started, figures = now_text(), {}
    with tempfile.TemporaryDirectory() as place, kafka_in(Path(place)) as servers:
        admin = AdminClient({"bootstrap.servers": servers})
        for name, limits in CHANGES.items():
            for rate, suffix in ((options.rate, "reading"), (0, "idle")):
                topic = f"bench-{name}-{suffix}"
                admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
                path = Path(place) / topic / "store.sqlite"
                path.parent.mkdir()
                fill(path, topic, limits[0], options.instances)
                with written(servers, topic, rate):
                    found = applied(servers, path, topic, limits[1])
                figures[f"{name}_seconds_{suffix}"] = round(found["seconds"], 2)
                figures[f"{name}_cpu_seconds_{suffix}"] = round(found["cpu_seconds"], 2)
                if rate:
                    figures[f"{name}_events_read"] = found["read"]
                    figures[f"{name}_longest_pause_seconds"] = round(found["longest_pause_seconds"], 2)
                show({key: value for key, value in figures.items() if key.startswith(name)}, TARGETS, 36)
    write(
        OUT, started=started, versions={}, runs={"instances": options.instances, "events_per_second": options.rate},
        figures=figures, targets=TARGETS,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
