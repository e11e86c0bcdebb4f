"""The SDK's own exporter: whatever happens to the receiver, no span is lost and none is there twice."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import Counter

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from flowtrail_collector.runtime.supervisor import Supervisor
from flowtrail_collector.spans.queue import SpanQueue
from flowtrail_collector.spans.receiver import otlp_routes
from flowtrail_collector.spans.sql.packs import raw_spans, read_packs
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.server import WebServer, listen
from servers import ManagedProcess, free_port, listens
from waiting import Deadline, scaled

SPANS = 1_500


class SlowSpans:
    """A store that a test can hold up."""

    def __init__(self, spans):
        self.spans = spans
        self.free = threading.Event()
        self.free.set()

    def add(self, spans):
        self.free.wait(scaled(20))
        return self.spans.add(spans)

    def prune(self, **limits):
        return 0


@contextlib.contextmanager
def receiver(path, port=0, max_spans=50_000):
    """A receiver on a store of its own; gives port, queue and store."""
    database = SqliteDatabase(path)
    store = SlowSpans(SqlSpans(database))
    queue = SpanQueue(store, max_spans=max_spans)
    supervisor = Supervisor([queue], on_error=lambda part, error: None)
    listener = listen("127.0.0.1", port)
    routes = otlp_routes(queue, max_body_bytes=2**24)
    server = WebServer(build_app(routes, token=None, on_error=lambda part, error: None), listener)
    ready = threading.Event()
    thread = threading.Thread(target=server.run, kwargs={"on_ready": ready.set})
    supervisor.start()
    thread.start()
    assert ready.wait(scaled(10))
    try:
        yield listener.getsockname()[1], queue, store
    finally:
        server.stop()
        thread.join(scaled(20))
        supervisor.stop()
        database.close()
        listener.close()


@contextlib.contextmanager
def service(port, name, timeout_seconds=10):
    """A tracer whose spans are exported in small batches."""
    provider = TracerProvider(resource=Resource({"service.name": name}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{port}/v1/traces", timeout=timeout_seconds)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=100_000, schedule_delay_millis=20, max_export_batch_size=100
        )
    )
    yield provider.get_tracer("test")
    assert provider.force_flush(60_000)
    provider.shutdown()


def stored(path):
    database = SqliteDatabase(path)
    with database.read() as connection:
        names = Counter(
            row[2] for pack in read_packs(connection, "1 = 1", ()) for row in raw_spans(pack.detail)
        )
    database.close()
    return dict(names)


def expected(*services):
    return {f"{name}-{number}": 1 for name in services for number in range(SPANS)}


@pytest.mark.slow
def test_an_overloaded_receiver_loses_nothing(tmp_path):
    path = tmp_path / "spans.sqlite"
    with receiver(path, max_spans=150) as (port, queue, store):
        with service(port, "a") as a, service(port, "b") as b, service(port, "c") as c:
            store.free.clear()
            for number in range(SPANS):
                for name, tracer in (("a", a), ("b", b), ("c", c)):
                    tracer.start_span(f"{name}-{number}").end()
            deadline = Deadline(20)
            while not queue.refused_spans and not deadline.passed:
                time.sleep(0.01)
            store.free.set()
        assert queue.refused_spans > 0
    assert stored(path) == expected("a", "b", "c")


@pytest.mark.slow
def test_a_receiver_that_is_restarted_loses_nothing(tmp_path):
    path = tmp_path / "spans.sqlite"
    with contextlib.ExitStack() as stack:
        with receiver(path) as (port, _, _):
            tracer = stack.enter_context(service(port, "a"))
            for number in range(SPANS // 2):
                tracer.start_span(f"a-{number}").end()
        for number in range(SPANS // 2, SPANS):
            tracer.start_span(f"a-{number}").end()
        with receiver(path, port):
            stack.close()  # exports the rest
    assert stored(path) == expected("a")


@pytest.mark.slow(11)
def test_a_collector_that_is_killed_while_it_receives_loses_nothing(tmp_path):
    path, port = tmp_path / "spans.sqlite", free_port()
    # There is no Kafka: spans are taken all the same.
    command = [
        sys.executable, "-m", "flowtrail_collector", "collector", "run", "--bootstrap-servers", "127.0.0.1:1",
        "--store", str(path), "--listen", f"127.0.0.1:{port}",
    ]  # fmt: skip
    process = ManagedProcess("collector", command, ready=lambda: listens(port), output=tmp_path / "log")
    process.start()
    try:
        with service(port, "a", timeout_seconds=60) as tracer:
            for number in range(SPANS):
                tracer.start_span(f"a-{number}").end()
                time.sleep(0.0005)
                if number == SPANS // 3:
                    # Some batches are answered, one is under way, the rest are still to come.
                    process.kill()
                    threading.Timer(0.3, process.start).start()
    finally:
        process.stop()
    assert stored(path) == expected("a")
