"""What works on the collector while it is measured: a producer, readers and senders of spans.

Each runs in a process of its own and puts what it found into the queue it is given last.
"""

from __future__ import annotations

import http.client
import multiprocessing
import random
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from confluent_kafka import Producer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.trail_store import headers_of, order
from flowtrail_collector.spans import attributes as names

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


def in_process(target: Any, *arguments: Any) -> tuple[Any, Any]:
    """Start a function in a process of its own; the process and the queue with its result."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=target, args=(*arguments, queue))
    process.start()
    return process, queue


def produce(servers: str, topic: str, rate: int, seconds: float, result: Any) -> None:
    """Write so many events a second; how many were written."""
    run = uuid.uuid4().hex[:6] + "-"
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 20, "compression.type": "lz4"})
    began = time.monotonic()
    written = 0
    while time.monotonic() - began < seconds:
        due = int((time.monotonic() - began) * rate)
        while written < due:
            number, step = divmod(written, 5)
            producer.produce(topic, b"{}", f"order-{number}", headers=dict(headers_of(number, step, run)))
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

    _in_threads(one, READERS)
    result.put((found, per_page))


def post(address: tuple[str, int], seconds: float, senders: int, result: Any) -> None:
    """Send spans; a request turned away is sent again, as an SDK does.

    The result: how long it took until the last answer, spans acknowledged, requests turned away.
    """
    began = time.monotonic()
    stop = began + seconds
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
                time.sleep(float(answer.headers.get("retry-after", 0.1)))
            totals[sender] += SPANS_PER_REQUEST

    _in_threads(one, senders)
    result.put((time.monotonic() - began, sum(totals), sum(refused)))


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


def _in_threads(run: Callable[[int], None], number: int) -> None:
    threads = [threading.Thread(target=run, args=(at,)) for at in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
