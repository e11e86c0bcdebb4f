"""How many events a second go through the whole path into the store, beside a bare consumer loop.

    python -m bench.ingest

A topic on a real Kafka holds orders of five events each, with the headers that flowtrail writes. In turns, each
in a process of its own, it is read to its end by the whole `flowtrail collector run` in pure Python and, where it
is installed, with flowtrail-speedups, by a bare confluent-kafka loop that decodes the headers, and by a stateful Quix Streams application, without and with changelog topics
(`--only whole` ends there). On a smaller topic the same for the collector's tail, ingest and sweep alone, then one
and two workers into a fresh PostgreSQL. At last a store with a million open instances is swept, scraped and
restarted on.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import random
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from bench import ingest_whole, ingest_workers
from bench.results import kafka_in, now_text, show, write
from servers import PostgresServer, UnavailableError

OUT = Path("build/bench/ingest.json")
TARGETS: dict[str, list[Any]] = {
    "whole_cpu_microseconds_per_event": ["<=", 45],
    "whole_ratio_to_bare_loop": [">=", 0.5],
    "whole_ratio_to_quix_streams": [">=", 1],
    "whole_speedups_cpu_microseconds_per_event": ["<=", 45],
    "whole_speedups_ratio_to_quix_streams": [">=", 1.5],
    "whole_rss_mb": ["<=", 250],
    "store_bytes_per_event": ["<=", 200],
    "rate_ratio_to_bare_loop": [">=", 0.5],
    "two_worker_speedup": [">=", 1.8],
    "rss_mb_1m_open_sagas": ["<=", 500],
    "sweep_seconds_1m": ["<=", 1],
    "metrics_seconds_1m": ["<=", 1],
    "restart_seconds_1m": ["<=", 10],
}
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
PAYLOAD = json.dumps({"customer": "c-1234", "lines": [{"sku": f"sku-{n}", "quantity": n} for n in range(6)]})
SOURCES = ("/orders", "/inventory", "/billing", "/orders", "/fulfillment")


def event_id(number: int) -> str:
    """A UUIDv7: they grow with time, as those of services do."""
    value = (1_700_000_000_000 + number // 10) << 80 | 0x7 << 76 | random.getrandbits(76) | 0x8 << 60
    return str(uuid.UUID(int=value & (1 << 128) - 1))


def fill(servers: str, topic: str, events: int) -> None:
    """Write the orders' events."""
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
    for number, (subject, headers) in enumerate(events_of_orders(events), 1):
        while True:
            try:
                producer.produce(topic, PAYLOAD, subject, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1_000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0


def events_of_orders(events: int) -> Iterator[tuple[str, dict[str, str | bytes | None]]]:
    """Subject and headers of each event; those of many orders are under way at once."""
    under_way: list[list[Any]] = []
    orders = 0
    for written in range(events):
        if len(under_way) < CONCURRENT and orders < events // 5:
            orders += 1
            under_way.append(
                [f"order-{orders}", event_id(written), f"{random.getrandbits(128):032x}", None, 0]
            )
        order = random.choice(under_way)
        subject, flow, trace, cause, step = order
        identity = event_id(written)
        yield (
            subject,
            {
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
            },
        )
        order[3], order[4] = identity, step + 1
        if step == 4:
            under_way.remove(order)


def run(kind: str, servers: str, topic: str, events: int, folder: Path) -> dict[str, float]:
    """One measurement in a fresh process."""
    flows = folder / "flows.yaml"
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


def run_workers(
    servers: str, topic: str, events: int, folder: Path, rounds: int
) -> dict[str, list[dict[str, float]]]:
    """One worker and two, in turns; nothing where there is no PostgreSQL."""
    try:
        server = PostgresServer(folder / "postgres", durable=True)
    except UnavailableError as error:
        print(f"workers are not measured: {error}")
        return {}
    server.start()
    runs: dict[str, list[dict[str, float]]] = {"one_worker": [], "two_workers": []}
    try:
        for number in range(rounds):
            for count in (1, 2) if number % 2 else (2, 1):
                kind = "one_worker" if count == 1 else "two_workers"
                runs[kind].append(
                    ingest_workers.measure(
                        server, servers, topic, events, folder / "flows.yaml", count, PARTITIONS
                    )
                )
    finally:
        server.close()
    return runs


def run_open(servers: str, folder: Path, count: int) -> dict[str, float]:
    """A million open instances, in processes of their own."""
    command = [sys.executable, "-m", "bench.ingest_open", servers, str(folder), str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=400)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--whole-events", type=int, default=1_000_000, help="for the whole collector")
    parser.add_argument("--whole-rounds", type=int, default=1)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--open", type=int, default=1_000_000, help="open instances")
    parser.add_argument("--only", choices=["whole", "parts"], help="measure the whole collector, or the rest")
    options = parser.parse_args()
    began = now_text()
    whole_events, events = options.whole_events // 5 * 5, options.events // 5 * 5
    runs: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "flows.yaml").write_text(FLOWS)
        with kafka_in(folder) as servers:
            if options.only != "parts":
                runs.update(run_whole(servers, folder, whole_events, options.whole_rounds))
            if options.only != "whole":
                runs.update(run_parts(servers, folder, events, options.rounds))
                runs["open"] = [run_open(servers, folder, options.open)]
    report(whole_events, events, runs, began)


def run_whole(servers: str, folder: Path, events: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """The collector as users run it, and what it is compared with."""
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    fill(servers, topic, events)
    run("bare", servers, topic, events, folder)  # the page cache warms for all
    bare = partial(run, "bare", servers, topic, events, folder)
    return ingest_whole.measure(servers, topic, events, folder, rounds, bare)


def run_parts(servers: str, folder: Path, events: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Tail, ingest and sweep beside the bare loop, then workers."""
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    fill(servers, topic, events)
    runs: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
    run("bare", servers, topic, events, folder)  # the page cache warms for both
    for number in range(rounds):
        for kind in ("bare", "ours") if number % 2 else ("ours", "bare"):
            runs[kind].append(run(kind, servers, topic, events, folder))
    runs.update(run_workers(servers, topic, events, folder, rounds))
    return runs


def workers_figures(runs: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """What one and two workers did."""
    if "one_worker" not in runs:
        return {}
    figures: dict[str, float] = {}
    for kind in ("one_worker", "two_workers"):
        rates = [result["events_per_second"] for result in runs[kind]]
        figures[f"postgres_{kind}_events_per_second"] = round(statistics.median(rates))
        figures[f"postgres_{kind}_events_per_second_lowest"] = round(min(rates))
        figures[f"postgres_{kind}_events_per_second_highest"] = round(max(rates))
    figures["postgres_bytes_per_event"] = round(runs["one_worker"][0]["store_bytes_per_event"])
    ratios = [
        two["events_per_second"] / one["events_per_second"]
        for one, two in zip(runs["one_worker"], runs["two_workers"], strict=True)
    ]
    figures["two_worker_speedup"] = round(statistics.median(ratios), 2)
    return figures


def open_figures(result: dict[str, float]) -> dict[str, float]:
    """What a million open instances cost."""
    return {
        "sweep_seconds_1m": round(result["sweep_seconds_10k_due"], 3),
        "metrics_seconds_1m": round(result["scrape_seconds"], 3),
        "restart_seconds_1m": round(result["restart_seconds"], 2),
        "rss_mb_1m_open_sagas": round(result["rss_mb"], 1),
        "store_mb_1m_open_sagas": round(result["store_mb"]),
    }


def parts_figures(events: int, runs: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """What tail, ingest and sweep did, and what the bare loop did."""
    figures: dict[str, float] = {}
    for kind in ("bare", "ours"):
        results = runs[kind]
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
    ratios = [bare["seconds"] / own["seconds"] for bare, own in zip(runs["bare"], ours, strict=True)]
    figures["rate_ratio_to_bare_loop"] = round(statistics.median(ratios), 3)
    figures["rate_ratio_to_bare_loop_lowest"] = round(min(ratios), 3)
    figures["rate_ratio_to_bare_loop_highest"] = round(max(ratios), 3)
    figures.update(workers_figures(runs))
    figures.update(open_figures(runs["open"][0]))
    return figures


def report(whole_events: int, events: int, runs: dict[str, list[dict[str, float]]], began: str) -> None:
    """The table and the file."""
    figures = ingest_whole.figures_of(whole_events, runs)
    if "ours" in runs:
        figures.update(parts_figures(events, runs))
    show(figures, TARGETS, 42)
    versions = {"confluent-kafka": importlib.metadata.version("confluent-kafka"), "quix": ingest_whole.QUIX}
    write(
        OUT,
        started=began,
        versions=versions,
        runs={"whole_events": whole_events, "events": events, **runs},
        figures=figures,
        targets=TARGETS,
    )


if __name__ == "__main__":
    main()
