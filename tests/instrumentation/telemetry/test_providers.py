"""Which providers are used, and what is lost on the way to them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flowtrail._telemetry import METRICS, Telemetry
from flowtrail._telemetry.providers import (
    CountingProcessor,
    choose_tracer_provider,
    service_name,
    trace_endpoints,
)
from flowtrail.errors import ConfigurationError
from httpkit import Answer, Asked, serving
from instrumentation.support import Lab, record
from waiting import scaled


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "FLOWTRAIL_OTLP_ENDPOINTS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_SDK_DISABLED",
        "OTEL_SERVICE_NAME",
        "FLOWTRAIL_SERVICE",
    ):
        monkeypatch.delenv(name, raising=False)


def test_service_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/srv/billing.py"])
    assert service_name(None) == "billing"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "otel")
    assert service_name(None) == "otel"
    monkeypatch.setenv("FLOWTRAIL_SERVICE", "flow")
    assert service_name(None) == "flow"
    assert service_name("given") == "given"


def test_endpoints_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trace_endpoints() == []
    monkeypatch.setenv("FLOWTRAIL_OTLP_ENDPOINTS", "http://a:1/, https://b:2,,http://a:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:3")
    assert trace_endpoints() == ["http://a:1/v1/traces", "https://b:2/v1/traces", "http://c:3/v1/traces"]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d:4/own")
    assert trace_endpoints()[-1] == "http://d:4/own"
    monkeypatch.setenv("FLOWTRAIL_OTLP_ENDPOINTS", "localhost:4318")
    with pytest.raises(ConfigurationError, match="localhost:4318"):
        trace_endpoints()


def test_without_an_endpoint_nothing_is_recorded() -> None:
    provider, own = choose_tracer_provider("s", None, lambda *_: None)
    assert isinstance(provider, NoOpTracerProvider)
    assert not own


def test_a_disabled_sdk_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWTRAIL_OTLP_ENDPOINTS", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    provider, _ = choose_tracer_provider("s", None, lambda *_: None)
    assert isinstance(provider, NoOpTracerProvider)


def test_an_endpoint_gets_the_spans_with_the_services_name(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[bytes] = []

    def take(asked: Asked) -> Answer:
        bodies.append(asked.body)
        return 200, ""

    with serving(take) as url:
        monkeypatch.setenv("FLOWTRAIL_OTLP_ENDPOINTS", url)
        telemetry = Telemetry("billing", registry=CollectorRegistry())
        telemetry.sending("orders").done()
        assert telemetry.flush()
        telemetry.close()
    (body,) = bodies
    assert b"send orders" in body or body[:2] == b"\x1f\x8b"


class _Broken(SpanExporter):
    def export(self, _spans: Any) -> SpanExportResult:
        return SpanExportResult.FAILURE


def test_lost_spans_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    lost: dict[str, int] = {}

    def dropped(reason: str, amount: int) -> None:
        lost[reason] = lost.get(reason, 0) + amount

    provider = TracerProvider(shutdown_on_exit=False)
    processor = CountingProcessor(_Broken(), dropped)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("t")
    tracer.start_span("a").end()
    processor.force_flush()
    assert lost == {"export_failed": 1}
    with monkeypatch.context() as patch:
        patch.setattr(processor._batch_processor._worker_awaken, "set", lambda: None)
        for _ in range(5):
            tracer.start_span("b").end()
    assert lost["queue_full"] == 3
    provider.shutdown()


def test_a_provider_that_is_configured_later_is_found() -> None:
    program = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from flowtrail._telemetry import Telemetry
telemetry = Telemetry("s", registry=CollectorRegistry())
assert not telemetry.tracing
trace.set_tracer_provider(TracerProvider())
sending = telemetry.sending("t")
assert telemetry.tracing and sending.span is not None
print("found")
"""
    assert (
        "found"
        in subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=scaled(60)
        ).stdout
    )


def _samples(metrics: Any) -> dict[str, Any]:
    return {
        metric.name: metric.data.data_points
        for resource in metrics.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_metrics_through_opentelemetry_have_the_same_names() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    lab = Lab(registry=None, meter_provider=provider)
    lab.telemetry.sending("orders").done()
    with lab.telemetry.processing(record(timestamp_ms=1), group="g"):
        pass
    lab.telemetry.count_retry("orders", "g")
    found = _samples(reader.get_metrics_data())
    assert found["messaging.client.sent.messages"][0].value == 1
    assert found["messaging.client.consumed.messages"][0].value == 1
    (duration,) = found["messaging.process.duration"]
    assert duration.count == 1
    assert dict(duration.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.destination.name": "orders",
        "messaging.consumer.group.name": "g",
    }
    assert found["flowtrail.retries"][0].value == 1
    assert set(found) <= {metric.name for metric in METRICS}
    provider.shutdown()


def test_what_prometheus_reads_is_exact_and_complete() -> None:
    lab = Lab()
    for _ in range(1000):
        lab.telemetry.sending("orders").done()
        with lab.telemetry.processing(record(timestamp_ms=1), group="g"):
            pass
    text = generate_latest(lab.registry).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {metric.prometheus_name for metric in METRICS}
    sent = families["messaging_client_sent_messages"].samples
    assert [sample.value for sample in sent] == [1000]
    counts = {
        sample.labels["le"]: sample.value
        for sample in families["messaging_process_duration_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    assert counts["+Inf"] == counts["0.005"] == 1000
    assert lab.value("flowtrail_queue_duration_seconds_bucket", le="86400.0") == 0
    assert lab.value("flowtrail_queue_duration_seconds_bucket", le="+Inf") == 1000


def test_threads_lose_no_count() -> None:
    lab = Lab()

    def work() -> None:
        for _ in range(300):  # more than a route keeps back before it counts
            lab.telemetry.sending("orders").done()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        generate_latest(lab.registry)
    for thread in threads:
        thread.join()
    assert lab.value("messaging_client_sent_messages_total") == 1200
    assert lab.value("messaging_client_operation_duration_seconds_count") == 1200


def test_labels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowtrail._telemetry.instruments.MAX_SERIES", 3)
    lab = Lab()
    for number in range(10):
        lab.telemetry.count_schema_version(f"T{number}", "1", "publish")
    assert lab.value("flowtrail_schema_versions_total", type="other") == 7


def test_two_telemetries_share_a_registry() -> None:
    registry = CollectorRegistry()
    for _ in range(2):
        Telemetry("s", registry=registry, tracer_provider=NoOpTracerProvider()).sending("t").done()
    assert (
        registry.get_sample_value(
            "messaging_client_sent_messages_total",
            {
                "messaging_system": "kafka",
                "messaging_operation_name": "send",
                "messaging_destination_name": "t",
                "error_type": "",
            },
        )
        == 2
    )


def test_message_spans_behave_like_the_sdks(tmp_path: Path) -> None:
    lab = Lab()
    make: Callable[[], Any] = lambda: lab.telemetry.sending("orders", type="T").span  # noqa: E731
    span = make()
    span.set_attribute("own", [1, 2])
    span.set_attributes({"more": "x", "bad": object()})
    span.add_event("happened", {"a": 1})
    span.add_link(make().get_span_context(), {"why": "test"})
    span.update_name("other")
    assert span.is_recording()
    span.end()
    span.end()
    span.set_attribute("late", 1)
    span.put("late", 1)
    assert not span.is_recording()
    (done,) = lab.spans
    assert done.name == "other"
    assert done.attributes["own"] == (1, 2)  # type: ignore[index]
    assert "late" not in (done.attributes or {})
    assert [event.name for event in done.events] == ["happened"]
    assert len(done.links) == 1
    assert json.loads(done.to_json())["attributes"]["messaging.system"] == "kafka"
    assert done.instrumentation_scope is not None
    assert done.instrumentation_scope.name == "flowtrail"
    assert done.resource is lab.provider.resource


def test_spans_can_be_exported() -> None:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    lab = Lab()
    sending = lab.telemetry.sending("orders", type="T")
    sending.fail(ValueError("no"))
    with lab.telemetry.processing(record(sending.headers)):
        pass
    encoded = encode_spans(lab.spans)
    names = [span.name for span in encoded.resource_spans[0].scope_spans[0].spans]
    assert names == ["send orders", "process orders"]
    assert isinstance(lab.exporter, InMemorySpanExporter)
