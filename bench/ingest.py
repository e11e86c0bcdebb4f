"""How many events a second go through the whole path into the store, beside a bare consumer loop.

    python -m bench.ingest

A topic on a real Kafka holds orders of five events each, with the headers that flowtrail writes. In turns, each
in a process of its own, a bare confluent-kafka loop consumes it and decodes the headers, and the collector's
tail, ingest and sweep read it into a fresh store.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from servers import KafkaServer

OUT = Path("build/bench/ingest.json")
TARGETS: dict[str, list[Any]] = {"rate_ratio_to_bare_loop": [">=", 0.5]}
PARTITIONS = 8
CONCURRENT = 500
FLOWS = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, failed: StockReservationFailed, by: inventory, within: 30s, undone: StockReleased}
      charge: {done: PaymentCompleted, failed: PaymentFailed, by: billing, within: 60s, undone: PaymentRefunded}
      confirm: {done: OrderConfirmed, by: orders}
      ship: {done: OrderShipped, by: fulfillment, within: 1d}
    completes: OrderShipped
    cancels: OrderCancelled
    within: 2d
"""
TYPES = ("OrderPlaced", "StockReserved", "PaymentCompleted", "OrderConfirmed", "OrderShipped")
SOURCES = ("/orders", "/inventory", "/billing", "/orders", "/fulfillment")


def event_id(number: int) -> str:
    """A UUIDv7: they grow with time, as those of services do."""
    value = (1_700_000_000_000 + number // 10) << 80 | 0x7 << 76 | random.getrandbits(76) | 0x8 << 60
    return str(uuid.UUID(int=value & (1 << 128) - 1))


def fill(servers: str, topic: str, events: int) -> None:
    """Write the orders' events, those of many orders under way at once."""
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "linger.ms": 20,
            "queue.buffering.max.messages": 200_000,
            "compression.type": "lz4",
        }
    )
    payload = json.dumps(
        {"customer": "c-1234", "lines": [{"sku": f"sku-{n}", "quantity": n} for n in range(6)]}
    )
    under_way: list[list[Any]] = []
    orders = written = 0
    while written < events:
        if len(under_way) < CONCURRENT and orders < events // 5:
            orders += 1
            under_way.append(
                [f"order-{orders}", event_id(written), f"{random.getrandbits(128):032x}", None, 0]
            )
        order = random.choice(under_way)
        subject, flow, trace, cause, step = order
        identity = event_id(written)
        headers = {
            "ce_specversion": "1.0",
            "ce_id": identity,
            "ce_type": TYPES[step],
            "ce_source": SOURCES[step],
            "ce_time": "2026-11-23T10:00:00.000000Z",
            "ce_subject": subject,
            "ce_correlationid": flow,
            **({"ce_causationid": cause} if cause else {}),
            "ce_dataschema": f"{TYPES[step]}/1",
            "content-type": "application/json",
            "traceparent": f"00-{trace}-{random.getrandbits(64):016x}-01",
        }
        while True:
            try:
                producer.produce(topic, payload, subject, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        order[3], order[4] = identity, step + 1
        if step == 4:
            under_way.remove(order)
        written += 1
        if written % 1_000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0


def run(kind: str, servers: str, topic: str, events: int, folder: Path) -> dict[str, float]:
    """One measurement in a fresh process."""
    flows = folder / "flows.yaml"
    flows.write_text(FLOWS)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        command = [sys.executable, "-m", "bench.ingest_worker", kind, servers, topic, str(events)]
        done = subprocess.run(
            [*command, f"{name}/store.sqlite", str(flows)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=300,
        )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    events = options.events // 5 * 5
    began = time.strftime("%Y-%m-%dT%H:%M:%S")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = None
        servers = os.environ.get("FLOWTRAIL_TEST_KAFKA", "")
        if not servers:
            server = KafkaServer(folder / "kafka")
            server.start()
            servers = server.bootstrap_servers
        try:
            topic = f"bench-{uuid.uuid4().hex[:8]}"
            fill(servers, topic, events)
            runs = {"bare": [], "ours": []}  # type: dict[str, list[dict[str, float]]]
            run("bare", servers, topic, events, folder)  # the page cache warms for both
            for number in range(options.rounds):
                for kind in ("bare", "ours") if number % 2 else ("ours", "bare"):
                    runs[kind].append(run(kind, servers, topic, events, folder))
        finally:
            if server is not None:
                server.kill()
    report(events, runs, began)


def report(events: int, runs: dict[str, list[dict[str, float]]], began: str) -> None:
    """The table and the file."""
    figures = {}
    for kind, results in runs.items():
        rates = [events / result["seconds"] for result in results]
        figures[f"{kind}_events_per_second"] = round(statistics.median(rates))
        figures[f"{kind}_events_per_second_lowest"] = round(min(rates))
        figures[f"{kind}_events_per_second_highest"] = round(max(rates))
        cpu = statistics.median(result["cpu_seconds"] for result in results)
        figures[f"{kind}_cpu_microseconds_per_event"] = round(cpu / events * 1e6, 2)
        figures[f"{kind}_rss_mb"] = round(max(result["rss_mb"] for result in results), 1)
    ours = runs["ours"]
    figures["ours_settled_seconds"] = round(
        statistics.median(result["settled_seconds"] for result in ours), 2
    )
    figures["store_bytes_per_event"] = round(statistics.median(r["store_bytes_per_event"] for r in ours))
    ratios = [bare["seconds"] / own["seconds"] for bare, own in zip(runs["bare"], ours, strict=True)]
    figures["rate_ratio_to_bare_loop"] = round(statistics.median(ratios), 3)
    figures["rate_ratio_to_bare_loop_lowest"] = round(min(ratios), 3)
    figures["rate_ratio_to_bare_loop_highest"] = round(max(ratios), 3)
    for name, value in figures.items():
        operator, target = TARGETS.get(name, ("", None))
        missed = target is not None and not value >= target
        print(
            f"{name:42} {value:>12,} {operator} {'' if target is None else target}{'  missed' if missed else ''}"
        )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(
        json.dumps(
            {
                "command": "python -m bench.ingest",
                "started": began,
                "versions": {
                    "python": platform.python_version(),
                    "confluent-kafka": importlib.metadata.version("confluent-kafka"),
                    "sqlite": sqlite3.sqlite_version,
                    "cpus": os.cpu_count(),
                },
                "runs": {"events": events, **runs},
                "figures": figures,
                "targets": TARGETS,
            },
            indent=2,
        )
    )
    print(f"-> {OUT}")


if __name__ == "__main__":
    main()
