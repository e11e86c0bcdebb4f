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
import http.client
import json
import multiprocessing
import os
import platform
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.ingest import FLOWS, SOURCES, TYPES
from flowtrail_collector.events.model import Advance
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.spans import model as names
from flowtrail_collector.spans.model import Resource, Span, SpanKind
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.topology.sql import SqlTopology
from servers import KafkaServer

OUT = Path("build/bench/trail.json")
TARGETS: dict[str, list[Any]] = {
    "trail_p99_ms": ["<=", 50],
    "page_p99_ms": ["<=", 200],
    "otlp_spans_per_second": [">=", 20_000],
}
PAGES = (
    "/",
    "/sagas",
    "/sagas?stuck=true",
    "/sagas?outcome=completed",
    "/map",
    "/lag",
    "/dead-letters",
    "/collector",
)
READERS = 20
EVENTS_PER_SECOND = 5_000
SPANS_PER_REQUEST = 512
_CHUNK_ORDERS = 4_000
_HEADERS_TIME = b"2026-11-23T10:00:00.000000Z"


def order(number: int) -> tuple[str, str, str]:
    """Subject, correlation id and trace id of an order."""
    return f"order-{number}", f"0190a000-0000-7000-8000-{number:012x}", f"{number + 1:032x}"


def headers_of(number: int, step: int, run: str = "") -> list[tuple[str, bytes]]:
    """Headers as flowtrail writes them."""
    subject, flow, trace = order(number)
    texts = {
        "ce_specversion": "1.0",
        "ce_id": f"{run}e-{number}-{step}",
        "ce_type": TYPES[step],
        "ce_source": SOURCES[step],
        "ce_subject": run + subject,
        "ce_correlationid": run + flow,
        **({"ce_causationid": f"{run}e-{number}-{step - 1}"} if step else {}),
        "ce_dataschema": f"{TYPES[step]}/1",
        "content-type": "application/json",
        "traceparent": f"00-{trace}-{step + 1:016x}-01",
    }
    return [*((name, text.encode()) for name, text in texts.items()), ("ce_time", _HEADERS_TIME)]


def fill(path: Path, flow_file: Path, orders: int, traced: int) -> None:
    """Orders of five events each; one in fifty waits for its payment; the first `traced` have spans too."""
    database = SqliteDatabase(path)
    flows = load_flows(flow_file)
    store = SqliteStore(database)
    ingest = Ingest(store, flows)
    start_ms = int(time.time() * 1000) - orders * 10
    offset = 0
    for first in range(0, orders, _CHUNK_ORDERS):
        records = []
        for number in range(first, min(first + _CHUNK_ORDERS, orders)):
            for step in range(2 if number % 50 == 0 else 5):
                moment = start_ms + number * 10 + step * 30
                records.append(
                    Incoming("filled", 0, offset + len(records), moment, b"k", headers_of(number, step))
                )
        following = offset + len(records)
        ingest.apply(records, [Advance("filled", 0, offset or None, following, int(time.time() * 1000))])
        offset = following
    spans = SqlSpans(database)
    for first in range(0, traced, 1_000):
        spans.add(
            [
                span
                for number in range(first, min(first + 1_000, traced))
                for span in spans_of(number, start_ms)
            ]
        )
    # As a collector that has been running all the time would have left it.
    Sweeper(store, flows).sweep()
    topology = SqlTopology(database)
    while topology.learn():
        pass
    database.close()


def spans_of(number: int, start_ms: int) -> list[Span]:
    """Send and process spans of one order."""
    subject, flow, trace = order(number)
    found = []
    for step in range(5):
        start_ns = (start_ms + number * 10 + step * 30) * 1_000_000
        shared = {
            names.MESSAGE_ID: f"e-{number}-{step}",
            names.CONVERSATION_ID: flow,
            names.DESTINATION: "filled",
            names.EVENT_TYPE: TYPES[step],
            names.EVENT_SUBJECT: subject,
        }
        service = SOURCES[step].strip("/")
        send_id = f"{step + 1:016x}"
        found.append(
            Span(trace, send_id, f"{step + 100:016x}" if step else None, Resource(service), "send filled",
                 SpanKind.PRODUCER, start_ns, start_ns + 2_000_000, attributes=shared)
        )  # fmt: skip
        if step < 4:
            following = SOURCES[step + 1].strip("/")
            found.append(
                Span(trace, f"{step + 101:016x}", send_id, Resource(following), "process filled",
                     SpanKind.CONSUMER, start_ns + 10_000_000, start_ns + 29_000_000,
                     attributes={**shared, names.GROUP: following})
            )  # fmt: skip
    return found


@contextlib.contextmanager
def collector(store: Path, flow_file: Path, servers: str, topic: str) -> Iterator[tuple[str, int]]:
    """A collector of its own; host and port."""
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
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(30)


def produce(servers: str, topic: str, seconds: float, result: Any) -> None:
    """Write events at the rate."""
    run = uuid.uuid4().hex[:6] + "-"
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 20, "compression.type": "lz4"})
    began = time.monotonic()
    written = 0
    while time.monotonic() - began < seconds:
        due = int((time.monotonic() - began) * EVENTS_PER_SECOND)
        while written < due:
            number, step = divmod(written, 5)
            producer.produce(topic, b"{}", f"order-{number}", headers=headers_of(number, step, run))
            written += 1
        producer.poll(0)
        time.sleep(0.02)
    producer.flush(60)
    result.put(written)


def read(address: tuple[str, int], orders: int, seconds: float, pause: float, result: Any) -> None:
    """Readers: each in a thread, on a connection of its own; every other question is about a page."""
    found: dict[str, list[float]] = {"trail": [], "trail_page": [], "page": []}
    per_page: dict[str, list[float]] = {page: [] for page in PAGES}
    stop = time.monotonic() + seconds

    def one(seed: int) -> None:
        dice = random.Random(seed)
        connection = http.client.HTTPConnection(*address, timeout=60)
        time.sleep(dice.random() * pause)
        while time.monotonic() < stop:
            subject = order(dice.randrange(orders))[0]
            kind = dice.choice(("trail", "trail", "trail_page", "page"))
            page = dice.choice(PAGES)
            path = {"trail": f"/api/v1/trails/{subject}", "trail_page": f"/trails/{subject}"}.get(kind, page)
            began = time.perf_counter()
            connection.request("GET", path, headers={"accept": "text/html"})
            answer = connection.getresponse()
            body = answer.read()
            took = (time.perf_counter() - began) * 1000
            assert answer.status == 200, (path, answer.status, body[:200])
            found[kind].append(took)
            if kind == "page":
                per_page[page].append(took)
            time.sleep(max(0.0, pause - took / 1000))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.put((found, per_page))


def in_process(target: Any, *arguments: Any) -> tuple[Any, Any]:
    """Start a function in a process of its own; the process and the queue with its result."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=target, args=(*arguments, queue))
    process.start()
    return process, queue


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
    with collector(store, flow_file, servers, topic) as address:
        writer, written = in_process(produce, servers, topic, 2 * seconds + 6)
        time.sleep(3)
        for name, pause in (("paced", 1.0), ("saturated", 0.0)):
            reader, answers = in_process(read, address, orders, seconds, pause)
            result[name], result[f"{name}_pages"] = answers.get(timeout=seconds + 120)
            reader.join()
        result["written"] = written.get(timeout=120)
        writer.join()
        result["behind_seconds"] = _caught_up(store, topic, result["written"])
    return result


def _caught_up(store: Path, topic: str, written: int) -> float:
    """How long the collector takes, after the last event was written, until it has stored all."""
    began = time.perf_counter()
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        while True:
            count = connection.execute("SELECT count(*) FROM events WHERE topic = ?", (topic,)).fetchone()[0]
            if count >= written:
                assert count == written
                return time.perf_counter() - began
            assert time.perf_counter() - began < 120, f"{count} of {written} events"
            time.sleep(0.2)


def post(address: tuple[str, int], seconds: float, senders: int, result: Any) -> None:
    """Send spans; a request turned away is sent again, as an SDK does."""
    stop = time.monotonic() + seconds
    totals = [0] * senders
    refused = [0] * senders

    def one(sender: int) -> None:
        connection = http.client.HTTPConnection(*address, timeout=60)
        template = otlp_request()
        number = 0
        while time.monotonic() < stop:
            # Ids of their own in front: encoding spans anew would measure this process instead.
            body = template.replace(b"T" * 12, (sender + 1).to_bytes(4, "big") + number.to_bytes(8, "big"))
            number += 1
            while True:
                connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    break
                assert answer.status in (429, 503), answer.status
                refused[sender] += 1
                time.sleep(float(answer.headers["retry-after"]))
            totals[sender] += SPANS_PER_REQUEST

    threads = [threading.Thread(target=one, args=(number,)) for number in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.put((sum(totals), sum(refused)))


def otlp_request() -> bytes:
    """512 spans as flowtrail's instrumentation writes them, eight a trace."""
    request = ExportTraceServiceRequest()
    part = request.resource_spans.add()
    for name, text in (
        ("service.name", "orders"),
        ("service.version", "1.0"),
        ("telemetry.sdk.language", "python"),
    ):
        part.resource.attributes.add(key=name).value.string_value = text
    scope = part.scope_spans.add()
    scope.scope.name = "flowtrail"
    now = time.time_ns()
    for number in range(SPANS_PER_REQUEST):
        trace, place = divmod(number, 8)
        span = scope.spans.add(
            trace_id=b"T" * 12 + trace.to_bytes(4, "big"),
            span_id=(number + 1).to_bytes(8, "big"),
            parent_span_id=number.to_bytes(8, "big") if place else b"",
            name="send orders",
            kind=4,
            start_time_unix_nano=now,
            end_time_unix_nano=now + 2_000_000,
        )
        attributes = {
            "messaging.system": "kafka",
            names.OPERATION_TYPE: "send",
            names.DESTINATION: "orders",
            names.MESSAGE_ID: f"message-{number}",
            names.CONVERSATION_ID: f"flow-{trace}",
            names.EVENT_TYPE: "OrderPlaced",
            names.EVENT_SUBJECT: f"order-{trace}",
        }
        for name, text in attributes.items():
            span.attributes.add(key=name).value.string_value = text
        span.attributes.add(key=names.OFFSET).value.int_value = number
    return request.SerializeToString()


def measure_spans(folder: Path, servers: str, seconds: float) -> dict[str, Any]:
    """Spans acknowledged a second, and whether every one of them is in the store."""
    flow_file, store = folder / "flows.yaml", folder / "spans.sqlite"
    flow_file.write_text(FLOWS)
    with collector(store, flow_file, servers, f"none-{uuid.uuid4().hex[:8]}") as address:
        sender, answers = in_process(post, address, seconds, 8)
        acknowledged, refused = answers.get(timeout=seconds + 120)
        sender.join()
    with contextlib.closing(sqlite3.connect(store)) as connection:
        stored = connection.execute("SELECT count(*) FROM spans").fetchone()[0]
    return {"acknowledged": acknowledged, "stored": stored, "refused": refused, "seconds": seconds}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--traced", type=int, default=20_000, help="orders that have spans too")
    parser.add_argument("--filled", type=Path, help="the store's copy, written once and taken from then on")
    parser.add_argument("--seconds", type=float, default=40)
    options = parser.parse_args()
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
            spans = measure_spans(folder, servers, options.seconds / 2)
            reads = measure_reads(
                folder, servers, options.orders, options.traced, options.seconds, options.filled
            )
        finally:
            if server is not None:
                server.kill()
    report(options, reads, spans, began)


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return round(statistics.quantiles(values, n=100)[98], 1) if len(values) > 1 else values[0]


def report(options: argparse.Namespace, reads: dict[str, Any], spans: dict[str, Any], began: str) -> None:
    """The table and the file."""
    pages = {page: p99(values) for page, values in reads["paced_pages"].items() if values}
    figures: dict[str, float] = {
        "trail_p99_ms": p99(reads["paced"]["trail"]),
        "trail_p50_ms": round(statistics.median(reads["paced"]["trail"]), 1),
        "page_p99_ms": max(p99(reads["paced"]["page"]), p99(reads["paced"]["trail_page"])),
        "page_p50_ms": round(statistics.median(reads["paced"]["page"]), 1),
        "trail_page_p99_ms": p99(reads["paced"]["trail_page"]),
        "saturated_trail_p99_ms": p99(reads["saturated"]["trail"]),
        "saturated_page_p99_ms": p99(reads["saturated"]["page"]),
        "saturated_requests_per_second": round(sum(map(len, reads["saturated"].values())) / options.seconds),
        "events_ingested_per_second": round(reads["written"] / (2 * options.seconds + 6)),
        "ingest_behind_seconds": round(reads["behind_seconds"], 1),
        "otlp_spans_per_second": round(spans["acknowledged"] / spans["seconds"]),
        "otlp_spans_lost": spans["acknowledged"] - spans["stored"],
        "otlp_requests_turned_away": spans["refused"],
    }
    for name, value in figures.items():
        operator, target = TARGETS.get(name, ("", None))
        missed = target is not None and not (value >= target if operator == ">=" else value <= target)
        print(
            f"{name:34} {value:>12,} {operator} {'' if target is None else target}{'  missed' if missed else ''}"
        )
    for page, value in pages.items():
        print(f"  {page:32} {value:>12,} ms p99")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(
        json.dumps(
            {
                "command": "make bench-trail",
                "started": began,
                "versions": {
                    "python": platform.python_version(),
                    "sqlite": sqlite3.sqlite_version,
                    "cpus": os.cpu_count(),
                },
                "runs": {
                    "orders": options.orders,
                    "seconds": options.seconds,
                    "pages_p99_ms": pages,
                    **spans,
                },
                "figures": figures,
                "targets": TARGETS,
            },
            indent=2,
        )
    )
    print(f"-> {OUT}")


if __name__ == "__main__":
    main()
