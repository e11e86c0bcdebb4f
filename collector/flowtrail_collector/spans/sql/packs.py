"""Packs: the spans of one trace that one process sent within a portion, as one row.

What isn't asked for by column is JSON, compressed where there is enough of it. Traces are named by the lower half
of their id, a 64-bit number of which senders choose every bit; the upper half stands beside it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from struct import Struct, unpack
from typing import Any, NamedTuple

import orjson

from flowtrail_collector.spans.model import Resource, Span, SpanEvent, SpanKind, SpanLink, SpanStatus
from flowtrail_collector.store.sql import MAX_IDS, Connection, marks

__all__ = ["EXTENT_NS", "MAX_VALUE_LENGTH", "PACK_COLUMNS", "Pack", "attributes_from", "hashes_in", "key_of", "packed",
           "packs_of", "portions", "raw_spans", "read_packs", "read_resources", "to_json", "trace_id_of", "trace_key",
           "unpacked", "uppers_found_by"]  # fmt: skip

EXTENT_NS = 600 * 10**9
"""The spans of a pack began within so long: a search in time looks no further than that beside its window."""
MAX_VALUE_LENGTH = 512
"""Longer values that spans are found by are cut."""
PACK_COLUMNS = (
    "id, trace, trace_upper, resource_id, first_ns, last_ns, received_s, spans, span_ids, found_by, detail"
)
"""In the order of `Pack`."""
_HALVES = Struct(">qq")
_KINDS = {kind.value: kind for kind in SpanKind}
_STATUSES = {status.value: status for status in SpanStatus}
# Below, compressing takes longer than it spares.
_COMPRESSED_BYTES = 1_024
_JSON = b"["
# The one key of an object that stands for bytes, which JSON lacks; a character that nobody's names have.
_BYTES = "\ue000bytes"


class Pack(NamedTuple):
    """A row of `span_packs`.

    Attributes:
        id: Number of its first span, in the order of arrival.
        trace: Lower half of the trace id.
        trace_upper: Its upper half.
        resource_id: Row of what emitted the spans.
        first_ns: When the first of them began.
        last_ns: When the last of them began.
        received_s: When they were received, seconds since the epoch.
        spans: How many.
        span_ids: Their ids, 8 bytes each.
        found_by: Hashes of the values they are found by, 8 bytes each.
        detail: The spans.
    """

    id: int
    trace: int
    trace_upper: int
    resource_id: int
    first_ns: int
    last_ns: int
    received_s: int
    spans: int
    span_ids: bytes
    found_by: bytes
    detail: bytes

    @property
    def hashes(self) -> tuple[int, ...]:
        """Hashes of the values they are found by."""
        return hashes_in(self.found_by)


def hashes_in(found_by: bytes) -> tuple[int, ...]:
    """The hashes of a pack's column."""
    return unpack(f"<{len(found_by) // 8}q", found_by)


def trace_key(trace_id: str) -> tuple[int, int] | None:
    """Lower and upper half of a trace id, None if it isn't one."""
    try:
        halves = bytes.fromhex(trace_id)
    except ValueError:
        return None
    if len(halves) != _HALVES.size:
        return None
    upper, lower = _HALVES.unpack(halves)
    return lower, upper


def trace_id_of(lower: int, upper: int) -> str:
    """The trace id of these halves."""
    return _HALVES.pack(upper, lower).hex()


def key_of(value: str) -> int:
    """64 bits of a value that spans are found by, signed."""
    digest = blake2b(value[:MAX_VALUE_LENGTH].encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def to_json(data: Any) -> bytes:
    """Compact JSON; bytes become an object that `attributes_from` knows."""
    return orjson.dumps(data, default=_of_bytes)


def _of_bytes(value: Any) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"no attribute has a {type(value).__name__}")
    return {_BYTES: base64.b64encode(value).decode()}


def attributes_from(data: dict[str, Any]) -> dict[str, Any]:
    """Attributes as they were before `to_json`."""
    for name, value in data.items():
        if type(value) is dict or type(value) is list:
            data[name] = _with_bytes(value)
    return data


def _with_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_bytes(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and _BYTES in value:
        return base64.b64decode(value[_BYTES])
    return {name: _with_bytes(item) for name, item in value.items()}


def packed(spans: Sequence[Span]) -> bytes:
    """Spans of one trace and resource as `unpacked` reads them."""
    data = to_json(
        [
            (span.span_id, span.parent_span_id, span.name, span.kind, span.start_ns, span.end_ns, span.status,
             span.attributes, _more(span))
            for span in spans
        ]
    )  # fmt: skip
    if len(data) < _COMPRESSED_BYTES:
        return data
    # A small window: a pack is small, and making room for a large one costs more than compressing.
    packer = zlib.compressobj(1, zlib.DEFLATED, 13, 6)
    return packer.compress(data) + packer.flush()


def _more(span: Span) -> dict[str, Any]:
    """What few spans have, and what is the same for most."""
    more: dict[str, Any] = {}
    if span.scope:
        more["s"] = span.scope
    if span.events:
        more["e"] = [(event.name, event.time_ns, event.attributes) for event in span.events]
    if span.links:
        more["l"] = [(link.trace_id, link.span_id, link.attributes) for link in span.links]
    if span.scope_attributes:
        more["i"] = span.scope_attributes
    if span.scope_version:
        more["v"] = span.scope_version
    if span.status_message:
        more["m"] = span.status_message
    if span.trace_state:
        more["t"] = span.trace_state
    if span.flags:
        more["f"] = span.flags
    return more


def raw_spans(detail: bytes) -> list[Any]:
    """What is packed, without an object for each span: id, parent's id, name, kind, start, end, ..."""
    spans: list[Any] = orjson.loads(detail if detail.startswith(_JSON) else zlib.decompress(detail))
    return spans


def unpacked(pack: Pack, resources: dict[int, Resource]) -> list[Span]:
    """The spans of a pack."""
    trace_id = trace_id_of(pack.trace, pack.trace_upper)
    resource = resources.get(pack.resource_id) or Resource("unknown_service")
    return [_span(trace_id, resource, *row) for row in raw_spans(pack.detail)]


def _span(
    trace_id: str, resource: Resource, span_id: str, parent: str | None, name: str, kind: int, start_ns: int,
    end_ns: int, status: int, attributes: dict[str, Any], more: dict[str, Any],
) -> Span:  # fmt: skip
    span = Span(
        trace_id, span_id, parent, resource, name, _KINDS[kind], start_ns, end_ns, _STATUSES[status],
        attributes=attributes_from(attributes), scope=more.get("s", ""),
    )  # fmt: skip
    if len(more) > ("s" in more):
        span.status_message = more.get("m", "")
        span.events = tuple(
            SpanEvent(text, at, attributes_from(told)) for text, at, told in more.get("e", ())
        )
        span.links = tuple(
            SpanLink(trace, linked, attributes_from(told)) for trace, linked, told in more.get("l", ())
        )
        span.scope_version = more.get("v", "")
        span.trace_state = more.get("t", "")
        span.scope_attributes = attributes_from(more.get("i") or {})
        span.flags = more.get("f", 0)
    return span


def read_packs(connection: Connection, where: str, values: Sequence[Any]) -> Iterator[Pack]:
    """Packs for a condition of the caller's own making (never a user's text)."""
    statement = f"SELECT {PACK_COLUMNS} FROM span_packs WHERE {where}"  # noqa: S608 - our own columns
    return (Pack(*row) for row in connection.execute(statement, values))


def packs_of(connection: Connection, traces: Collection[tuple[int, int]]) -> list[Pack]:
    """All packs of traces, given by the halves of their ids."""
    found: list[Pack] = []
    for part in portions([lower for lower, _ in traces]):
        found += read_packs(connection, f"trace IN ({marks(part)})", part)
    wanted = set(traces)
    return [pack for pack in found if (pack.trace, pack.trace_upper) in wanted]


def uppers_found_by(connection: Connection, lower: int, hash_: int) -> list[int]:
    """Upper halves of those traces with this lower half that a value's hash leads to.

    Lower halves are random by W3C Trace Context, but nobody is held to it.
    """
    packs = read_packs(connection, "trace = ?", (lower,))
    return list(dict.fromkeys(pack.trace_upper for pack in packs if hash_ in pack.hashes))


def read_resources(connection: Connection, ids: Iterable[int]) -> dict[int, Resource]:
    """Resources by their row id."""
    wanted = tuple(set(ids))
    statement = f"SELECT id, service, attributes FROM span_resources WHERE id IN ({marks(wanted)})"  # noqa: S608 - only marks
    rows = connection.execute(statement, wanted)
    return {row[0]: Resource(row[1], attributes_from(orjson.loads(row[2]))) for row in rows}


def portions(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Values without repetition, as many at a time as a statement takes."""
    wanted = list(dict.fromkeys(values))
    for start in range(0, len(wanted), MAX_IDS):
        yield wanted[start : start + MAX_IDS]
