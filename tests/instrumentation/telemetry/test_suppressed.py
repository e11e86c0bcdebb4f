"""Where the program suppresses instrumentation there are no spans: an exporter may send by Kafka itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import kafka as kafka_python
import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from flowtrail._context import current_event
from flowtrail._telemetry import MessageTracer
from flowtrail.instrumentor import KafkaPythonInstrumentor
from instrumentation.fakes import kafka_record
from instrumentation.support import Lab
from waiting import scaled


def _send(lab: Lab) -> list[Any]:
    message = lab.telemetry.sending("orders", type="OrderPlaced")
    message.done(0, 1)
    return message.headers


def _send_wrapped(lab: Lab) -> list[Any]:
    message = MessageTracer(lab.telemetry, None).start("orders", b"v", None, None)
    message.done(0, 1)
    return message.headers


def _handle(lab: Lab) -> None:
    with lab.telemetry.processing(kafka_record(offset=5)):
        event = current_event()
        assert event is not None
        assert event.offset == 5


def _handle_batch(lab: Lab) -> None:
    with lab.telemetry.processing_batch([kafka_record(offset=5)]) as batch:
        for item in batch:
            with item:
                pass


def _poll(lab: Lab) -> None:
    with lab.telemetry.polling() as operation:
        operation.received("orders")


def _commit(lab: Lab) -> None:
    with lab.telemetry.committing({"orders"}):
        pass


@pytest.mark.parametrize("what", [_send, _send_wrapped, _handle, _handle_batch, _poll, _commit])
@pytest.mark.parametrize("inside", [False, True])
def test_no_span_is_made(what: Callable[[Lab], Any], inside: bool) -> None:
    lab = Lab()
    what(lab)
    assert lab.spans
    made = len(lab.spans)
    tracer = lab.provider.get_tracer("test")
    with tracer.start_as_current_span("outer") if inside else suppress_instrumentation():
        with suppress_instrumentation():
            headers = what(lab)
        assert len(lab.spans) == made
        if inside and headers:
            (span,) = [value for name, value in headers if name == "traceparent"]
            assert f"{_current_id():016x}".encode() in span, "the span above travels on"
    if headers:
        assert {"ce_id", "ce_correlationid"} <= {name for name, _ in headers}


def _current_id() -> int:
    from opentelemetry import trace

    return trace.get_current_span().get_span_context().span_id


class KafkaExporter(SpanExporter):
    """Writes spans to a topic."""

    def __init__(self, servers: str, topic: str) -> None:
        self._servers, self._topic = servers, topic
        self.exported: list[str] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with kafka_python.KafkaProducer(bootstrap_servers=self._servers) as producer:
            for span in spans:
                self.exported.append(span.name)
                producer.send(self._topic, span.to_json().encode())
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def test_an_exporter_does_not_export_itself(devbroker: str, topic: Callable[..., str]) -> None:
    exporter = KafkaExporter(devbroker, topic("spans"))
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    instrumentor: Any = KafkaPythonInstrumentor()
    instrumentor.instrument(tracer_provider=provider, registry=CollectorRegistry())
    try:
        orders = topic("orders")
        with kafka_python.KafkaProducer(bootstrap_servers=devbroker) as producer:
            producer.send(orders, b"v").get(timeout=scaled(20))
        for _ in range(3):
            provider.force_flush()
        assert exporter.exported == [f"send {orders}"]
    finally:
        instrumentor.uninstrument()
        provider.shutdown()
