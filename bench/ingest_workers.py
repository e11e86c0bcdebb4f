"""How many events a second one and two workers take in, in one consumer group on one PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.store.postgres.database import PostgresDatabase
from servers import PostgresServer
from servers._postgres import drop_database, new_database


def measure(server: PostgresServer, servers: str, topic: str, events: int, flows: Path, count: int,
            partitions: int) -> dict[str, float]:  # fmt: skip
    """Run so many workers until all is stored; the clock starts when each has its partitions."""
    url = new_database(server.url)
    with ExitStack() as stack:
        stack.callback(drop_database, server.url, url)
        database = PostgresDatabase(url)
        stack.callback(database.close)
        store = PostgresStore(database)
        workers = [_start(servers, topic, url, flows, partitions // count) for _ in range(count)]
        for worker in workers:
            stack.callback(worker.kill)
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        began, first = time.perf_counter(), _stored(store)
        while (last := _stored(store)) < events:
            assert time.perf_counter() - began < 240
            time.sleep(0.05)
        took = time.perf_counter() - began
        usage = [json.loads(worker.communicate("")[0]) for worker in workers]
        counts = store.saga_figures().counts
        assert counts["saga_started", ("orders",)] == events // 5, counts
        assert ("saga_duplicate_events", ("orders",)) not in counts
        return {
            "events_per_second": (last - first) / took,
            "seconds": took,
            "cpu_seconds": sum(use["cpu_seconds"] for use in usage),
            "rss_mb": max(use["rss_mb"] for use in usage),
            "store_bytes_per_event": store.size_bytes() / events,
        }


def _start(servers: str, topic: str, url: str, flows: Path, partitions: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.ingest_worker", "member", servers, topic, "0", url, str(flows)]
    return subprocess.Popen(
        [*command, str(partitions)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _stored(store: PostgresStore) -> int:
    return sum(position.next_offset for position in store.positions().values())
