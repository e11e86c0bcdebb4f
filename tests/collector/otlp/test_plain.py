"""Reading a request without protobuf gives what protobuf gives, whatever the bytes."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowtrail_collector.spans.messages import Decoded, to_spans
from flowtrail_collector.spans.plain import read_plain

_IDS = st.binary(min_size=16, max_size=16)
_TIMES = st.integers(0, 2**64 - 1) | st.integers(1_700_000_000_000_000_000, 1_700_000_000_000_000_009)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.sampled_from(
    ["kafka", "x" * 200, "y" * 5_000]
)


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """Requests with spans as SDKs write them, and now and then anything else that OTLP has."""
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        group = request.resource_spans.add(schema_url=draw(st.sampled_from(["", "http://schema"])))
        group.resource.attributes.add(key="service.name").value.string_value = draw(_TEXTS)
        for _ in range(draw(st.integers(0, 2))):
            scope = group.scope_spans.add()
            scope.scope.name = draw(_TEXTS)
            for _ in range(draw(st.integers(0, 4))):
                fill(draw, scope.spans.add())
    return request


def fill(draw: st.DrawFn, span: Any) -> None:
    unusual = draw(st.integers(0, 30))
    span.trace_id = draw(_IDS) if unusual != 1 else bytes(16)
    span.span_id = draw(_IDS)[:8] if unusual != 2 else b"short"
    span.parent_span_id = draw(st.sampled_from([b"", bytes(8), b"12345678", b"1"]))
    span.name = draw(_TEXTS)
    span.kind = draw(st.integers(0, 6))
    span.start_time_unix_nano, span.end_time_unix_nano = draw(_TIMES), draw(_TIMES)
    for _ in range(draw(st.integers(0, 5))):
        pair = span.attributes.add(key=draw(st.sampled_from(["a", "b", "messaging.system", "k" * 200, ""])))
        name, values = draw(st.sampled_from([
            ("string_value", _TEXTS), ("int_value", st.integers(-(2**63), 2**63 - 1)), ("bool_value", st.booleans()),
            ("double_value", st.floats()), ("bytes_value", st.binary(max_size=4)),
        ]))  # fmt: skip
        setattr(pair.value, name, draw(values))
    if unusual == 3:
        span.attributes.add(key="list").value.array_value.values.add().int_value = 1
    if unusual == 4:
        span.trace_state = "a=b"
    if unusual == 5:
        span.events.add(name="exception", time_unix_nano=1)
    if unusual == 6:
        span.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    if unusual == 7:
        span.dropped_attributes_count = 3
    if unusual > 20:
        span.status.SetInParent()
        span.status.code = draw(st.integers(0, 3))
    if unusual > 25:
        span.flags = draw(st.integers(0, 2**32 - 1))


def by_protobuf(body: bytes) -> Decoded | None:
    try:
        return to_spans(ExportTraceServiceRequest.FromString(body), set())
    except DecodeError:
        return None


@pytest.mark.slow
@settings(max_examples=50)
@given(requests())
def test_every_request_reads_the_same(request: ExportTraceServiceRequest) -> None:
    body = request.SerializeToString()
    assert read_plain(body) == by_protobuf(body)


@pytest.mark.slow
@settings(max_examples=80)
@given(requests(), st.data())
def test_broken_bytes_read_the_same_or_are_left_to_protobuf(
    request: ExportTraceServiceRequest, data: st.DataObject
) -> None:
    body = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    found = read_plain(bytes(body))
    assert found is None or found == by_protobuf(bytes(body))
