"""The OTLP/HTTP receiver: the real exporter, partial success, limits, garbage, back-pressure."""

from __future__ import annotations

import gzip
import json
import threading
import zlib

import pytest
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.testclient import TestClient

from flowtrail_collector.spans.model import SpanKind
from flowtrail_collector.spans.queue import SpanQueue
from flowtrail_collector.spans.receiver import otlp_routes
from flowtrail_collector.web.app import build_app
from waiting import scaled

MAX_BODY_BYTES = 200_000
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


class FakeSpanStore:
    """Keeps spans in a list; can be told to fail or to take its time."""

    def __init__(self):
        self.spans = []
        self.calls = 0
        self.failure = None
        self.gate = threading.Event()
        self.gate.set()

    def add(self, spans):
        self.gate.wait(scaled(10))
        self.calls += 1
        if self.failure:
            raise self.failure
        self.spans += spans
        return len(spans)

    def prune(self, **limits):
        return 0


@pytest.fixture
def store():
    return FakeSpanStore()


@pytest.fixture
def queue(store):
    queue = SpanQueue(store, max_spans=100)
    stop = threading.Event()
    thread = threading.Thread(target=queue.run, args=(stop,))
    thread.start()
    yield queue
    store.gate.set()
    stop.set()
    thread.join(scaled(5))
    assert not thread.is_alive()


@pytest.fixture
def errors():
    return []


@pytest.fixture
def client(queue, errors):
    app = build_app(
        otlp_routes(queue, max_body_bytes=MAX_BODY_BYTES),
        token=None,
        on_error=lambda part, error: errors.append((part, error)),
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def request_of(count=1):
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    attribute = resource_spans.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", "orders"
    scope = resource_spans.scope_spans.add()
    scope.scope.name = "flowtrail"
    for number in range(1, count + 1):
        span = scope.spans.add()
        span.trace_id, span.span_id = bytes(15) + b"\1", number.to_bytes(8, "big")
        span.name, span.kind = "send orders", 4
        span.start_time_unix_nano, span.end_time_unix_nano = 1_000, 2_000
        attribute = span.attributes.add()
        attribute.key, attribute.value.string_value = "messaging.message.conversation_id", "flow-1"
    return request


def test_what_the_sdk_sends_arrives_whole(client, store):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "billing", "host.cpus": 2}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("flowtrail")
    attributes = {"text": "ä", "n": 3, "f": 0.5, "yes": True, "list": ["a", "b"]}
    with (
        tracer.start_as_current_span("parent") as parent,
        tracer.start_as_current_span("child", attributes=attributes) as child,
    ):
        child.add_event("noted", {"k": "v"})
        child.add_link(parent.get_span_context())
        child.record_exception(ValueError("boom"))
        child.set_status(StatusCode.ERROR, "boom")
    body = encode_spans(exporter.get_finished_spans()).SerializeToString()
    response = client.post("/v1/traces", content=body, headers=PROTOBUF)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-protobuf"
    assert not ExportTraceServiceResponse.FromString(response.content).HasField("partial_success")
    kept = {span.name: span for span in store.spans}
    child = kept["child"]
    assert child.service == "billing"
    assert child.resource.attributes["host.cpus"] == 2
    assert child.parent_span_id == kept["parent"].span_id
    assert dict(child.attributes) == {"text": "ä", "n": 3, "f": 0.5, "yes": True, "list": ["a", "b"]}
    assert [event.name for event in child.events] == ["noted", "exception"]
    assert child.links[0].span_id == kept["parent"].span_id
    assert child.status.name == "ERROR"
    assert child.scope == "flowtrail"


def test_json_means_the_same_as_protobuf(client, store):
    body = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "orders"}}]},
                "scopeSpans": [
                    {
                        "scope": {"name": "flowtrail"},
                        "spans": [
                            {
                                "traceId": TRACE_ID,
                                "spanId": "b7ad6b7169203331",
                                "parentSpanId": "b7ad6b7169203330",
                                "name": "send orders",
                                "kind": 4,
                                "startTimeUnixNano": "1700000000000000001",
                                "endTimeUnixNano": 1700000000000000009,
                                "attributes": [{"key": "n", "value": {"intValue": "7"}}],
                                "links": [
                                    {
                                        "traceId": "0AF7651916CD43DD8448EB211C80319C",
                                        "spanId": "b7ad6b7169203332",
                                    }
                                ],
                                "status": {"code": 2, "message": "no"},
                                "futureField": {"x": 1},
                            }
                        ],
                    }
                ],
            }
        ]
    }
    response = client.post("/v1/traces", json=body)
    assert response.status_code == 200
    partial = response.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "0"
    assert 'the field "futureField"' in partial["errorMessage"]
    (span,) = store.spans
    assert (span.trace_id, span.span_id) == (TRACE_ID, "b7ad6b7169203331")
    assert (span.parent_span_id, span.kind) == ("b7ad6b7169203330", SpanKind.PRODUCER)
    assert (span.start_ns, span.end_ns) == (1700000000000000001, 1700000000000000009)
    assert span.attributes == {"n": 7}
    assert span.links[0].trace_id == TRACE_ID
    assert (span.service, span.status_message) == ("orders", "no")


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_understood(client, store, encoding, pack):
    body = pack(request_of(2).SerializeToString())
    headers = PROTOBUF | {"content-encoding": encoding}
    assert client.post("/v1/traces", content=body, headers=headers).status_code == 200
    assert len(store.spans) == 2


def test_what_cant_be_kept_is_counted_and_the_rest_is_kept(client, store):
    request = request_of(3)
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = bytes(16)
    response = client.post("/v1/traces", content=request.SerializeToString(), headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert (response.status_code, partial.rejected_spans) == (200, 1)
    assert "trace_id" in partial.error_message
    assert len(store.spans) == 2
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz", "spanId": "", "name": "x"}]}]}]}
    response = client.post("/v1/traces", json=body)
    assert response.json()["partialSuccess"]["rejectedSpans"] == "1"


def test_values_are_capped(client, store):
    request = request_of()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.name = "n" * 10_000
    for number in range(500):
        attribute = span.attributes.add()
        attribute.key, attribute.value.string_value = f"k{number}", "v" * (10_000 if number < 3 else 1)
    assert client.post("/v1/traces", content=request.SerializeToString(), headers=PROTOBUF).is_success
    (kept,) = store.spans
    assert len(kept.name) == 256
    assert len(kept.attributes) == 128
    assert max(len(str(value)) for value in kept.attributes.values()) == 4096


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (PROTOBUF, b"\xff\xff\xff", 400),
        (JSON, b"{", 400),
        (JSON, b"[]", 400),
        (JSON, b"[" * 100_000, 400),
        (JSON, b'{"resourceSpans": 5}', 400),
        (JSON, b'{"resourceSpans": [{"scopeSpans": [{"spans": [5]}]}]}', 400),
        (JSON, b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "x"}]}]}]}', 400),
        ({"content-type": "text/plain"}, b"", 415),
        ({}, b"x", 415),
        (PROTOBUF | {"content-encoding": "br"}, b"x", 415),
        (PROTOBUF | {"content-encoding": "gzip"}, b"not gzip", 400),
        (PROTOBUF | {"content-encoding": "gzip"}, gzip.compress(b"x" * 100)[:-9], 400),
        (PROTOBUF | {"content-encoding": "gzip"}, gzip.compress(b"\0" * 10_000_000), 413),
        (PROTOBUF, b"\0" * (MAX_BODY_BYTES + 1), 413),
    ],
    # A compressed body tells when it was made; names of tests don't change.
    ids=[
        "no-protobuf",
        "cut-json",
        "json-list",
        "deep-json",
        "number-for-spans",
        "number-for-a-span",
        "no-time",
        "text",
        "no-type",
        "brotli",
        "no-gzip",
        "cut-gzip",
        "gzip-bomb",
        "too-large",
    ],
)
def test_unusable_requests_get_a_clear_refusal(client, errors, headers, body, status):
    response = client.post("/v1/traces", content=body, headers=headers)
    assert response.status_code == status
    if headers.get("content-type") == PROTOBUF["content-type"]:
        assert Status.FromString(response.content).message
    else:
        assert response.json()["message"]
    assert b"Traceback" not in response.content
    assert errors == []


def test_other_methods_are_refused(client):
    response = client.get("/v1/traces")
    assert (response.status_code, "error" in response.json()) == (405, True)


def test_a_full_queue_says_come_back(client, store, queue):
    store.gate.clear()
    first = queue.put(decoded_spans(90))
    response = client.post("/v1/traces", content=request_of(20).SerializeToString(), headers=PROTOBUF)
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert queue.refused_spans == 20
    store.gate.set()
    first.result(scaled(5))
    assert client.post("/v1/traces", content=request_of(20).SerializeToString(), headers=PROTOBUF).is_success
    assert queue.pending_spans == 0


def test_a_failing_store_says_come_back_and_recovers(client, store, queue):
    store.failure = OSError("disk full")
    response = client.post("/v1/traces", content=request_of().SerializeToString(), headers=PROTOBUF)
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert b"disk full" not in response.content
    assert "disk full" in queue.problem
    store.failure = None
    assert client.post("/v1/traces", content=request_of().SerializeToString(), headers=PROTOBUF).is_success
    assert queue.problem is None


def test_requests_that_wait_are_committed_together_and_nothing_is_acknowledged_early(store, queue):
    store.gate.clear()
    futures = [queue.put(decoded_spans(3)) for _ in range(20)]
    assert not any(future.done() for future in futures)
    store.gate.set()
    for future in futures:
        future.result(scaled(5))
    assert len(store.spans) == 60
    assert store.calls <= 2


def test_a_stopping_queue_writes_what_it_took_and_takes_no_more(store):
    queue = SpanQueue(store, max_spans=100)
    stop = threading.Event()
    waiting = queue.put(decoded_spans(5))
    stop.set()
    queue.run(stop)
    waiting.result(scaled(0))
    assert len(store.spans) == 5
    with pytest.raises(Exception, match="already waiting"):
        queue.put(decoded_spans(1))


def decoded_spans(count):
    from flowtrail_collector.spans.decoding import from_protobuf

    return from_protobuf(request_of(count).SerializeToString()).spans


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    ["traceId", "spanId", "name", "kind", "startTimeUnixNano", "attributes", "links", "events", "status"]
)
wild_span = st.dictionaries(fields, json_values, max_size=6) | json_values
wild_json = st.builds(
    lambda spans: {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}, st.lists(wild_span, max_size=3)
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wild_json | json_values)
def test_no_json_causes_a_server_error(client, errors, body):
    response = client.post(
        "/v1/traces", content=json.dumps(body).encode("utf-8", "surrogatepass"), headers=JSON
    )
    assert response.status_code in (200, 400)
    assert errors == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60) | st.tuples(st.integers(0, 400), st.binary(max_size=4)),
    st.sampled_from(["", "gzip", "deflate", "identity", "x"]),
    st.sampled_from([PROTOBUF, JSON]),
)
def test_no_bytes_cause_a_server_error(client, errors, junk, encoding, content_type):
    if isinstance(junk, tuple):
        # A valid request, damaged in one place: gets further than noise does.
        body = bytearray(request_of(3).SerializeToString())
        position = junk[0] % len(body)
        body[position : position + len(junk[1])] = junk[1]
        junk = bytes(body)
    headers = content_type | ({"content-encoding": encoding} if encoding else {})
    response = client.post("/v1/traces", content=junk, headers=headers)
    assert response.status_code in (200, 400, 415)
    assert errors == []
