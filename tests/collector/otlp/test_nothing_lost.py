"""Whatever is answered 200 is kept as it was, or the answer names what isn't."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowtrail_collector.spans.compression import BodyError, decompressed
from flowtrail_collector.spans.decoding import from_json, from_protobuf
from flowtrail_collector.spans.jaeger_json import trace_json
from flowtrail_collector.spans.model import Resource, Span, SpanKind, SpanStatus
from flowtrail_collector.spans.shared_ids import with_own_ids
from flowtrail_collector.spans.sql.adding import Group, new_packs
from flowtrail_collector.spans.sql.packs import unpacked
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sqlite.database import SqliteDatabase

TRACE = f"{7:032x}"


@given(
    st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.sampled_from(["gzip", "x-gzip", " GZip "])
)
def test_all_members_of_a_gzip_body_count(parts, encoding):
    body = b"".join(gzip.compress(part) for part in parts)
    assert decompressed(body, encoding, 10_000) == b"".join(parts)


@given(
    st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.binary(min_size=1, max_size=40), st.data()
)
def test_what_follows_or_lacks_is_refused(parts, junk, data):
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        body = b"".join(pack(part) for part in (parts if encoding == "gzip" else parts[:1]))
        if junk.strip(b"\0") and not junk.startswith(b"\x1f"):
            with pytest.raises(BodyError):
                decompressed(body + junk, encoding, 10_000)
        with pytest.raises(BodyError):
            decompressed(body[: -data.draw(st.integers(1, 7))], encoding, 10_000)


@pytest.mark.parametrize("members", [1, 2, 5])
def test_a_bomb_is_refused_however_many_members_hide_it(members):
    body = gzip.compress(bytes(10_000)) * members
    with pytest.raises(BodyError) as refused:
        decompressed(body, "gzip", 9_000 * members)
    assert refused.value.status == 413


def request_of(**span):
    span = {"traceId": TRACE, "spanId": f"{1:016x}", "name": "op", "startTimeUnixNano": "5", **span}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def decoded(**span):
    return from_json(json.dumps(request_of(**span)).encode())


@pytest.mark.parametrize(("kind", "spelt"), list(itertools.product(SpanKind, ["number", "name", "text"])))
def test_every_kind_however_it_is_spelt(kind, spelt):
    value = {"number": kind.value, "name": f"SPAN_KIND_{kind.name}", "text": kind.value}[spelt]
    found = decoded(kind=value)
    assert (found.spans[0].kind, found.reason) == (kind, "")


@pytest.mark.parametrize(("status", "named"), list(itertools.product(SpanStatus, [True, False])))
def test_every_status_however_it_is_spelt(status, named):
    found = decoded(status={"code": f"STATUS_CODE_{status.name}" if named else status.value})
    assert (found.spans[0].status, found.reason) == (status, "")


VALUES = [
    ({"stringValue": "a"}, "a"),
    ({"stringValue": ""}, ""),
    ({"boolValue": False}, False),
    ({"intValue": "-9223372036854775808"}, -(2**63)),
    ({"intValue": 7}, 7),
    ({"doubleValue": 0.5}, 0.5),
    ({"doubleValue": "NaN"}, "nan"),
    ({"doubleValue": "-Infinity"}, "-inf"),
    ({"bytesValue": "AQI="}, b"\x01\x02"),
    ({"arrayValue": {"values": [{"bytesValue": "AQI="}]}}, [b"\x01\x02"]),
    ({"kvlistValue": {"values": [{"key": "k", "value": {"bytesValue": ""}}]}}, {"k": b""}),
    ({"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "b"}, {}]}}, [1, "b", None]),
    ({"arrayValue": {}}, []),
    ({"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}}, {"k": True}),
    ({"kvlistValue": {}}, {}),
    ({}, None),
]


def read_back(span):
    """What the store makes of it."""
    (pack,), _ = new_packs([Group(span.trace_id, 1, [span])], 1, 0, ())
    return unpacked(pack, {1: span.resource})[0]


@pytest.mark.parametrize(("value", "kept"), VALUES, ids=lambda value: str(value)[:40])
def test_every_type_of_attribute_wherever_it_stands(value, kept):
    pair = [{"key": "a", "value": value}]
    request = request_of(attributes=pair, events=[{"attributes": pair}],
                         links=[{"traceId": TRACE, "spanId": f"{2:016x}", "attributes": pair}])  # fmt: skip
    request["resourceSpans"][0]["resource"] = {"attributes": pair}
    request["resourceSpans"][0]["scopeSpans"][0]["scope"] = {"name": "lib", "attributes": pair}
    found = from_json(json.dumps(request).encode())
    (span,) = found.spans
    assert found.reason == ""
    # As received, and as read back from the store.
    for each in (span, read_back(span)):
        places = (each.attributes, each.events[0].attributes, each.links[0].attributes,
                  each.resource.attributes, each.scope_attributes)  # fmt: skip
        assert [attributes["a"] for attributes in places] == [kept] * 5
    (tag,) = (
        tag for tag in trace_json(TRACE, [span])["spans"][0]["tags"] if "scope.attributes" in tag["key"]
    )
    assert tag["key"] == "otel.scope.attributes.a"


def nested(depth):
    return {"arrayValue": {"values": [nested(depth - 1)]}} if depth else {"intValue": 1}


LOST = {
    "attributes beyond 128": {"attributes": [{"key": f"k{n}", "value": {"intValue": n}} for n in range(129)]},
    "events beyond 64": {"events": [{"name": "e"}] * 65},
    "links beyond 128": {"links": [{"traceId": TRACE, "spanId": f"{2:016x}"}] * 129},
    "links without ids": {"links": [{"traceId": "ab", "spanId": f"{2:016x}"}]},
    "values more than 4 deep": {"attributes": [{"key": "k", "value": nested(6)}]},
    "items of lists beyond 128": {
        "attributes": [{"key": "k", "value": {"arrayValue": {"values": [{"intValue": 1}] * 129}}}]
    },
    "the ends of values beyond 4096 characters or bytes": {
        "attributes": [{"key": "k", "value": {"stringValue": "x" * 4_097}}]
    },
    "the ends of names beyond 256 characters": {"attributes": [{"key": "k" * 257, "value": {"intValue": 1}}]},
    "a kind that OTLP doesn't have": {"kind": 99},
    "a status code that OTLP doesn't have": {"status": {"code": 99}},
    "a parent_span_id that is not 8 bytes": {"parentSpanId": "abcd"},
    "an end before the start": {"endTimeUnixNano": "4"},
    "the times of events that are not a time": {"events": [{"timeUnixNano": str(2**64 - 1)}]},
    "all but the last of attributes with the same name": {
        "attributes": [{"key": "k", "value": {"intValue": n}} for n in range(2)]
    },
    "otel.dropped_events_count where an attribute has that name": {
        "droppedEventsCount": 1,
        "attributes": [{"key": "otel.dropped_events_count", "value": {"intValue": 5}}],
    },
    "values that are not in this version of OTLP": {"kind": "SPAN_KIND_SOMETHING"},
}


@pytest.mark.parametrize("named", LOST)
def test_what_isnt_kept_of_a_span_is_named(named):
    found = decoded(**LOST[named])
    assert (len(found.spans), found.rejected) == (1, 0)
    assert found.reason == f"spans were kept without {named}"


def test_protobuf_says_the_same():
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.start_time_unix_nano = b"t" * 16, b"s" * 8, 1
    span.parent_span_id = b"abc"
    assert from_protobuf(request.SerializeToString()).reason == (
        "spans were kept without a parent_span_id that is not 8 bytes"
    )


def span(own, kind, service, parent=None, name="op"):
    return Span(
        TRACE, f"{own:016x}", f"{parent:016x}" if parent else None, Resource(service), name, kind, 1, 2
    )


@pytest.mark.parametrize("resent", [1, 3])
def test_a_client_and_its_server_may_share_an_id(tmp_path, resent):
    spans = [
        span(5, SpanKind.CLIENT, "shop", name="call"),
        span(5, SpanKind.SERVER, "till", name="answer"),
        span(6, SpanKind.INTERNAL, "till", parent=5, name="below"),
    ]
    database = SqliteDatabase(tmp_path / "s.sqlite")
    store = SqlSpans(database)
    assert [store.add(spans) for _ in range(resent)] == [3, *[0] * (resent - 1)]
    found = {item.name: item for item in store.spans([TRACE])}
    database.close()
    assert found["call"].span_id == f"{5:016x}"
    assert found["answer"].parent_span_id == found["call"].span_id
    assert found["below"].parent_span_id == found["answer"].span_id
    assert len({item.span_id for item in found.values()}) == 3


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(SpanKind), st.integers(0, 4)), max_size=12))
def test_no_span_is_lost_by_telling_ids_apart(shape):
    spans = [span(own, kind, f"s{n}", parent) for n, (own, kind, parent) in enumerate(shape)]
    found = with_own_ids(spans)
    assert [item.service for item in found] == [item.service for item in spans]
    counted = [item.span_id for item in spans]
    assert [
        f
        for f, s in zip(found, spans, strict=True)
        if f.span_id != s.span_id and counted.count(s.span_id) < 2
    ] == []
