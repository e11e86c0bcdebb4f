"""Whatever a field of a request says is kept, or the answer names it: for every field that OTLP's descriptors have."""

from __future__ import annotations

import base64
import json

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowtrail_collector.spans.compression import BodyError
from flowtrail_collector.spans.decoding import from_json, from_protobuf
from flowtrail_collector.spans.sql.adding import Group, new_packs
from flowtrail_collector.spans.sql.packs import unpacked

MARK = "marked-text"
LONG = "x" * 5_000
# Field 999, a text; no message of OTLP has it.
UNKNOWN = b"\xba\x3e\x01x"


def base():
    """A request that uses every kind of message once, and a second span that has nothing to do with the first."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    scope = group.scope_spans.add()
    span = scope.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=5, end_time_unix_nano=9)
    event, link = span.events.add(), span.links.add(trace_id=b"u" * 16, span_id=b"v" * 8)
    for holder in (group.resource, scope.scope, span, event, link):
        pair = holder.attributes.add(key="k")
        pair.value.string_value = "v"
    span.status.code = 1
    scope.spans.add(trace_id=b"w" * 16, span_id=b"z" * 8, name="other", start_time_unix_nano=5)
    return request


def fields(descriptor=ExportTraceServiceRequest.DESCRIPTOR, path=()):
    """Each field that can hold a value, as the way there; values within values are left to other tests."""
    for field in descriptor.fields:
        way = (*path, field)
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            yield way
        elif field.message_type not in {step.message_type for step in path}:
            yield from fields(field.message_type, way)


FIELDS = {".".join(step.name for step in way): way for way in fields()}
TEXTS = [name for name, way in FIELDS.items() if way[-1].type == FieldDescriptor.TYPE_STRING]
MESSAGES = sorted({name.rpartition(".")[0] for name in FIELDS})


def way_to(message):
    """The steps to a message."""
    return next(way[:-1] for name, way in FIELDS.items() if name.rpartition(".")[0] == message)


def step_into(message, step):
    item = getattr(message, step.name)
    if not step.is_repeated:
        item.SetInParent()
        return item
    return item[0] if len(item) else item.add()


def holder_of(request, way):
    message = request
    for step in way:
        message = step_into(message, step)
    return message


def put(name, value):
    """The request with this value there."""
    request = base()
    way = FIELDS[name]
    holder = holder_of(request, way[:-1])
    if name.endswith("key_strindex"):
        holder.ClearField("key")
    if way[-1].is_repeated:
        getattr(holder, way[-1].name).append(value)
    else:
        setattr(holder, way[-1].name, value)
    return request


def value_for(name):
    field = FIELDS[name][-1]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"a" * (16 if field.name == "trace_id" else 8)
    by_type = {FieldDescriptor.TYPE_STRING: MARK, FieldDescriptor.TYPE_BOOL: True,
               FieldDescriptor.TYPE_DOUBLE: 2.5, FieldDescriptor.TYPE_ENUM: 2}  # fmt: skip
    return by_type.get(field.type, 7)


def read_back(decoded):
    """The spans as the store gives them back."""
    found = []
    for span in decoded.spans:
        (pack,), _ = new_packs([Group(span.trace_id, 1, [span])], 1, 0, ())
        found += unpacked(pack, {1: span.resource})
    return found


def both_ways(request):
    """As protobuf and as JSON, with ids in hex."""
    data = MessageToDict(request)
    hexed(data)
    return from_protobuf(request.SerializeToString()), from_json(json.dumps(data).encode())


def hexed(data):
    for name, value in data.items() if isinstance(data, dict) else ():
        if name in ("traceId", "spanId", "parentSpanId"):
            data[name] = base64.b64decode(value).hex()
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        hexed(value)


def test_nothing_is_complained_of_in_the_request_itself():
    for decoded in both_ways(base()):
        assert (len(decoded.spans), decoded.rejected, decoded.reason) == (2, 0, "")


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_is_kept_or_named(name):
    for decoded, plain in zip(both_ways(put(name, value_for(name))), both_ways(base()), strict=True):
        assert read_back(decoded) != read_back(plain) or decoded.reason
        assert read_back(decoded)[-1].name == "other"


@pytest.mark.parametrize("name", TEXTS)
def test_each_long_text_is_kept_whole_or_named(name):
    for decoded in both_ways(put(name, LONG)):
        assert LONG in str(read_back(decoded)[0]) or decoded.reason


@pytest.mark.parametrize("name", MESSAGES)
def test_a_field_that_is_unknown_is_named(name):
    request = base()
    holder = holder_of(request, way_to(name))
    if holder.DESCRIPTOR.name in ("AnyValue", "KeyValue"):
        holder.Clear()  # there it stands in place of what is known
    holder.MergeFromString(UNKNOWN)
    decoded = from_protobuf(request.SerializeToString())
    assert "fields that are not in this version of OTLP" in decoded.reason or "entity_refs" in decoded.reason
    assert len(decoded.spans) == 2


@pytest.mark.parametrize("name", MESSAGES)
def test_a_member_of_json_that_is_unknown_is_named(name):
    data = MessageToDict(base())
    hexed(data)
    inner = data
    for step in way_to(name):
        inner = inner.setdefault(step.camelcase_name, [{}] if step.is_repeated else {})
        inner = inner[0] if isinstance(inner, list) else inner
    inner["surprise"] = 1
    decoded = from_json(json.dumps(data).encode())
    assert "surprise" in decoded.reason
    assert len(decoded.spans) == 2


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("broken", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98"])
def test_text_that_is_not_utf_8_costs_nobody_a_span(name, broken):
    body = put(name, MARK[: -len(broken) + 1] + "~").SerializeToString()
    text = MARK[: -len(broken) + 1].encode() + b"~"
    decoded = from_protobuf(body.replace(text, text[: -len(broken)] + broken))
    assert len(decoded.spans) == 2
    assert "bytes that are not UTF-8" in decoded.reason


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("broken", [b"\\ud800", b"\\udc00x", b"\xff", b"\xed\xa0\x80"])
def test_text_of_json_that_is_not_unicode_costs_nobody_a_span(name, broken):
    data = MessageToDict(put(name, MARK))
    hexed(data)
    decoded = from_json(json.dumps(data).encode().replace(MARK.encode(), b"a" + broken))
    assert len(decoded.spans) == 2
    assert "not UTF-8" in decoded.reason


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\x12\x7f", b"hello"])
def test_what_is_no_request_stays_refused(body):
    for decode in (from_protobuf, from_json):
        with pytest.raises(BodyError) as refused:
            decode(body)
        assert refused.value.status == 400


def test_spans_of_senders_from_before_scopes_are_missed_aloud():
    data = {"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [{"name": "old"}]}]}]}
    decoded = from_json(json.dumps(data).encode())
    assert decoded.spans == []
    assert '"instrumentationLibrarySpans"' in decoded.reason
