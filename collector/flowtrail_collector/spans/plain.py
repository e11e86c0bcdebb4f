"""Binary requests read without a message for each span and attribute, as far as they are as nearly all are.

Reading is most of the work of receiving, and asking protobuf for an attribute costs more than finding it in the bytes:
most of a request's attributes are the same as another span's, byte by byte, and are read once. A span with anything else
in it than the fields below, in the order of their numbers, is read by protobuf. https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import math
from struct import Struct

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from flowtrail_collector.spans.messages import Collecting, Decoded, Scope
from flowtrail_collector.spans.model import AttributeValue, Resource, Span, SpanKind
from flowtrail_collector.spans.values import MAX_ATTRIBUTES, MAX_TEXT_LENGTH, Lost, without_unknown

__all__ = ["read_plain"]

# Tags: number of the field, and how it is written.
_TRACE_ID, _SPAN_ID, _PARENT, _NAME, _KIND, _START, _ATTRIBUTE = 0x0A, 0x12, 0x22, 0x2A, 0x30, 0x39, 0x4A
_KEY, _VALUE = 0x0A, 0x12
_TEXT, _BOOL, _INT, _DOUBLE_TAG = 0x0A, 0x10, 0x18, 0x21
_FIRST, _SECOND = 1, 2
_BYTES = 2  # wire type of what has a length
_TIMES = Struct("<QBQ")
_END = 0x41
_DOUBLE = Struct("<d")
_FLAGS = Struct("<BBI")
_NO_STATUS = b"\x7a\x00"
_FLAGS_TAG = (0x85, 0x01)
_MAX_TIME_NS = 2**63 - 1
_KINDS = {kind.value: kind for kind in SpanKind}
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)

_Pair = tuple[str, AttributeValue]


class _UnreadableError(Exception):
    """Protobuf shall say what is wrong."""


def read_plain(body: bytes) -> Decoded | None:
    """The spans of a binary request; None if protobuf should read all of it."""
    lost: Lost = set()
    found = Collecting(lost)
    try:
        rest, groups = _parts(body, 0, len(body), _FIRST)
        without_unknown(ExportTraceServiceRequest.FromString(rest), lost)
        for start, end in groups:
            _read_group(body, start, end, found)
    except (_UnreadableError, UnicodeDecodeError, IndexError, DecodeError):
        return None
    return found.decoded()


def _read_group(body: bytes, start: int, end: int, found: Collecting) -> None:
    rest, scopes = _parts(body, start, end, _SECOND)
    resource = found.resource(trace_pb2.ResourceSpans.FromString(rest))
    memo: dict[bytes, _Pair] = {}
    for scope_start, scope_end in scopes:
        rest, spans = _parts(body, scope_start, scope_end, _SECOND)
        scope = found.scope(trace_pb2.ScopeSpans.FromString(rest))
        for first, last in spans:
            span = _span(body, first, last, resource, scope, memo)
            if span is None:
                found.add(trace_pb2.Span.FromString(body[first:last]), resource, scope)
            else:
                found.spans.append(span)


def _parts(body: bytes, start: int, end: int, number: int) -> tuple[bytes, list[tuple[int, int]]]:
    """Where the messages of one repeated field stand, and everything else."""
    rest, found = [], []
    at = start
    while at < end:
        began = at
        tag, at = _varint(body, at)
        wire = tag & 7
        if tag >> 3 == number and at > began + 1:
            raise _UnreadableError
        if wire == _BYTES:
            size, at = _varint(body, at)
            if tag >> 3 == number:
                found.append((at, at + size))
            at += size
        elif wire == 0:
            _, at = _varint(body, at)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise _UnreadableError
        if tag >> 3 != number or wire != _BYTES:
            rest.append(body[began:at])
    if at != end:
        raise _UnreadableError
    return b"".join(rest), found


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise _UnreadableError


def _span(
    body: bytes, at: int, end: int, resource: Resource, scope: Scope, memo: dict[bytes, _Pair]
) -> Span | None:
    """A span, or None if there is anything unusual in it."""
    if end - at < 46 or body[at] != _TRACE_ID or body[at + 1] != 16:
        return None
    if body[at + 18] != _SPAN_ID or body[at + 19] != 8:
        return None
    trace_id, span_id, parent, name = body[at + 2 : at + 18], body[at + 20 : at + 28], None, ""
    at += 28
    if body[at] == _PARENT and body[at + 1] == 8:
        parent = body[at + 2 : at + 10]
        at += 10
    if body[at] == _NAME and (size := body[at + 1]) < 0x80:
        name = body[at + 2 : at + 2 + size].decode()
        at += 2 + size
    kind: SpanKind | None = SpanKind.UNSPECIFIED
    if body[at] == _KIND:
        kind = _KINDS.get(body[at + 1])
        at += 2
    if end - at < 18 or body[at] != _START:
        return None
    start_ns, tag, end_ns = _TIMES.unpack_from(body, at + 1)
    if tag != _END or not 0 < start_ns <= end_ns <= _MAX_TIME_NS or kind is None:
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    attributes, at = _attributes(body, at + 18, end, memo)
    flags = 0
    if body[at : at + 2] == _NO_STATUS:
        at += 2
    if end - at == 6:
        *tags, flags = _FLAGS.unpack_from(body, at)
        at = end if tuple(tags) == _FLAGS_TAG else -1
    if attributes is None or at != end:
        return None
    return Span(
        trace_id.hex(), span_id.hex(), parent.hex() if parent and parent != _NO_SPAN else None, resource, name,
        kind, start_ns, end_ns, attributes=attributes, scope=scope.name, scope_version=scope.version,
        scope_attributes=scope.attributes, flags=flags,
    )  # fmt: skip


def _attributes(
    body: bytes, at: int, end: int, memo: dict[bytes, _Pair]
) -> tuple[dict[str, AttributeValue] | None, int]:
    """The attributes that stand there, None if one of them is unusual; and where they end."""
    attributes: dict[str, AttributeValue] = {}
    number = 0
    while at < end and body[at] == _ATTRIBUTE:
        size = body[at + 1]
        at += 2
        if size >= 0x80:
            more = body[at]
            if more >= 0x80:
                return None, at
            size = size & 0x7F | more << 7
            at += 1
        text = body[at : at + size]
        at += size
        pair = memo.get(text)
        if pair is None:
            pair = _pair(text)
            if pair is None:
                return None, at
            memo[text] = pair
        attributes[pair[0]] = pair[1]
        number += 1
    return (attributes if number == len(attributes) <= MAX_ATTRIBUTES else None), at


def _pair(text: bytes) -> _Pair | None:
    """One attribute; None if there is anything unusual in it."""
    if len(text) < 6 or text[0] != _KEY or not 0 < text[1] < 0x80:
        return None
    at = text[1] + 2
    if len(text) < at + 4 or text[at] != _VALUE:
        return None
    key = text[2:at].decode()
    size, at = _varint(text, at + 1)
    if at + size != len(text) or size < 2:
        return None
    kind = text[at]
    at += 1
    if kind == _TEXT:
        size, at = _varint(text, at)
        plain = at + size == len(text) and size <= MAX_TEXT_LENGTH
        return (key, text[at:].decode()) if plain else None
    if kind == _INT:
        number, at = _varint(text, at)
        plain = at == len(text) and number < 2**64
        return (key, number - 2**64 if number >= 2**63 else number) if plain else None
    if kind == _BOOL:
        return (key, text[at] == 1) if at + 1 == len(text) and text[at] < 2 else None
    if kind == _DOUBLE_TAG and at + 8 == len(text):
        (value,) = _DOUBLE.unpack_from(text, at)
        return key, value if math.isfinite(value) else str(value)
    return None
