"""How quickly a trail and the console answer while the collector works, and how many spans it takes.

    python -m bench.trail

A store with 200,000 orders (1,000,000 events) and spans of some of them belongs to a real `flowtrail collector
run`, which at the same time reads 5,000 events a second from a real Kafka, while 20 readers each ask once a
second. Then the readers ask without a pause, to show what the collector gives when it has nothing left. Last, a
second collector takes OTLP requests of 512 spans (what the SDK sends) as fast as it acknowledges them.
Latencies are measured by the readers: the server's time, and the way there and back.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic

from bench.ingest import FLOWS
from bench.results import kafka_in, now_text, show, write
from bench.trail_load import EVENTS_PER_SECOND, in_process, produce, read
from bench.trail_spans import JAEGER_VERSION, measure_spans, span_figures
from bench.trail_store import fill

OUT = Path("build/bench/trail.json")
TARGETS: dict[str, list[Any]] = {
    "trail_p99_ms": ["<=", 25],
    "page_p99_ms": ["<=", 100],
    "ingest_behind_seconds": ["<=", 2],
    "otlp_spans_per_second": [">=", 20_000],
    "otlp_ratio_to_jaeger": [">=", 1.5],
}


@contextlib.contextmanager
def collector(
    store: Path, flow_file: Path, servers: str, topic: str
) -> Iterator[tuple[tuple[str, int], int]]:
    """A collector of its own; host and port, and the number of its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flowtrail_collector", "collector", "run", "--bootstrap-servers", servers,
         "--flows", str(flow_file), "--store", str(store), "--topics", re.escape(topic),
         "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.strip().rpartition(":")[2])
        yield ("127.0.0.1", port), process.pid
    finally:
        process.terminate()
        process.wait(30)


def measure_reads(
    folder: Path, servers: str, orders: int, traced: int, seconds: float, filled: Path | None
) -> dict[str, Any]:
    """Latencies, with a pause between questions and without."""
    flow_file, store = folder / "flows.yaml", folder / "store.sqlite"
    flow_file.write_text(FLOWS)
    began = time.perf_counter()
    if filled is not None and filled.exists():
        shutil.copy(filled, store)
    else:
        fill(store, flow_file, orders, traced)
        if filled is not None:
            shutil.copy(store, filled)
    print(
        f"{orders} orders stored in {time.perf_counter() - began:.0f} s, {store.stat().st_size / 1e6:.0f} MB"
    )
    topic = f"bench-trail-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(30)
    result: dict[str, Any] = {}
    with collector(store, flow_file, servers, topic) as (address, _):
        writer, written = in_process(produce, servers, topic, EVENTS_PER_SECOND, 2 * seconds + 6)
        time.sleep(3)
        for name, pause in (("paced", 1.0), ("saturated", 0.0)):
            reader, answers = in_process(read, address, orders, seconds, pause)
            result[name], result[f"{name}_pages"] = answers.get(timeout=seconds + 120)
            reader.join()
        result["written"] = written.get(timeout=120)
        writer.join()
        result["behind_seconds"] = _caught_up(store, topic, result["written"])
    return result


_READ = "SELECT coalesce(sum(records), 0) FROM positions WHERE topic = ?"


def _caught_up(store: Path, topic: str, written: int) -> float:
    """How long the collector takes, after the last event was written, until it has stored all."""
    began = time.perf_counter()
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        while True:
            count = connection.execute(_READ, (topic,)).fetchone()[0]
            if count >= written:
                assert count == written
                return time.perf_counter() - began
            assert time.perf_counter() - began < 120, f"{count} of {written} events"
            time.sleep(0.2)


@contextlib.contextmanager
def spans_collector(folder: Path, servers: str, store: Path) -> Iterator[tuple[tuple[str, int], int]]:
    """A collector that has nothing to read but spans; host and port, and the number of its process."""
    flow_file = folder / "flows.yaml"
    flow_file.write_text(FLOWS)
    with collector(store, flow_file, servers, f"none-{uuid.uuid4().hex[:8]}") as running:
        yield running


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--traced", type=int, default=20_000, help="orders that have spans too")
    parser.add_argument("--filled", type=Path, help="the store's copy, written once and taken from then on")
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--rounds", type=int, default=2, help="turns of collector and Jaeger")
    parser.add_argument("--spans-only", action="store_true", help="only how many spans are taken in")
    options = parser.parse_args()
    began = now_text()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with kafka_in(folder) as servers:
            start = partial(spans_collector, folder, servers)
            spans = measure_spans(folder, start, options.seconds / 4, options.rounds)
            if options.spans_only:
                show(span_figures(spans), TARGETS, 34)
                return
            reads = measure_reads(
                folder, servers, options.orders, options.traced, options.seconds, options.filled
            )
    report(options, reads, spans, began)


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return round(statistics.quantiles(values, n=100)[98], 1) if len(values) > 1 else values[0]


def figures_of(seconds: float, reads: dict[str, Any], spans: dict[str, Any]) -> dict[str, float]:
    """What came out, by name."""
    return {
        "trail_p99_ms": p99(reads["paced"]["trail"]),
        "trail_p50_ms": round(statistics.median(reads["paced"]["trail"]), 1),
        "page_p99_ms": max(p99(reads["paced"]["page"]), p99(reads["paced"]["trail_page"])),
        "page_p50_ms": round(statistics.median(reads["paced"]["page"]), 1),
        "trail_page_p99_ms": p99(reads["paced"]["trail_page"]),
        "saturated_trail_p99_ms": p99(reads["saturated"]["trail"]),
        "saturated_page_p99_ms": p99(reads["saturated"]["page"]),
        "saturated_requests_per_second": round(sum(map(len, reads["saturated"].values())) / seconds),
        "events_ingested_per_second": round(reads["written"] / (2 * seconds + 6)),
        "ingest_behind_seconds": round(reads["behind_seconds"], 1),
        **span_figures(spans),
    }


def report(options: argparse.Namespace, reads: dict[str, Any], spans: dict[str, Any], began: str) -> None:
    """The table and the file."""
    figures = figures_of(options.seconds, reads, spans)
    show(figures, TARGETS, 34)
    pages = {page: p99(values) for page, values in reads["paced_pages"].items() if values}
    for page, value in pages.items():
        print(f"  {page:32} {value:>12,} ms p99")
    runs = {"orders": options.orders, "seconds": options.seconds, "pages_p99_ms": pages, "spans": spans}
    write(
        OUT, started=began, versions={"jaeger": JAEGER_VERSION}, runs=runs, figures=figures, targets=TARGETS
    )


if __name__ == "__main__":
    main()
