"""Random traces as OTLP, with every type of value and every field that a span has."""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

SERVICES = ("orders", "inventory", "billing", "fulfillment", " orders")


def _value_of(dice: Random, depth: int = 0) -> dict[str, Any]:
    kinds = [
        "text",
        "int",
        "float",
        "bool",
        "bytes",
        "nothing",
        "empty",
        *(["list", "map"] if depth < 2 else []),
    ]
    kind = dice.choice(kinds)
    if kind == "text":
        return {"stringValue": dice.choice(["card", "ä ö", "<b>", "x" * 100, "billing"])}
    if kind == "int":
        return {"intValue": str(dice.choice([0, 7, -1, 2**53, -(2**63), 2**63 - 1]))}
    if kind == "float":
        return {"doubleValue": dice.choice([0.5, 2.0, -1e-7, 1e20, 3.25])}
    if kind == "bytes":
        return {"bytesValue": dice.choice(["", "AQID", "/+8="])}
    if kind == "nothing":
        return {}
    if kind == "bool":
        return {"boolValue": dice.random() < 0.5}
    if kind == "list":
        return {"arrayValue": {"values": [_value_of(dice, depth + 1) for _ in range(dice.randrange(3))]}}
    if kind == "map":
        names = dice.sample("abc", dice.randrange(3))
        return {
            "kvlistValue": {"values": [{"key": name, "value": _value_of(dice, depth + 1)} for name in names]}
        }
    return {"stringValue": ""}


def _attributes_of(dice: Random) -> list[dict[str, Any]]:
    return [
        {"key": f"k.{name}", "value": _value_of(dice)} for name in dice.sample("abcdefgh", dice.randrange(5))
    ]


def trace_of(dice: Random, start_ns: int) -> dict[str, list[SpanMessage]]:
    """One trace: its spans by service, within a second from `start_ns` on."""
    trace_id = bytes(8) * (dice.random() < 0.2) + dice.randbytes(16)
    trace_id = trace_id[:16]
    by_service: dict[str, list[SpanMessage]] = {name: [] for name in SERVICES}
    ids: list[bytes] = []
    for _ in range(dice.randrange(1, 9)):
        span = SpanMessage(
            trace_id=trace_id,
            span_id=dice.randbytes(8),
            parent_span_id=dice.choice(ids) if ids else b"",
            name=dice.choice(["POST /orders", "send orders", "process orders", "charge"]),
            kind=dice.randrange(6),  # type: ignore[arg-type]
            flags=dice.choice([0, 1, 0x100, 0x301]),
            dropped_attributes_count=dice.choice([0, 0, 3]),
            dropped_events_count=dice.choice([0, 0, 1]),
            dropped_links_count=dice.choice([0, 0, 2**32 - 1]),
            start_time_unix_nano=start_ns + dice.randrange(10**9),
            trace_state=dice.choice(["", "", "a=b"]),
        )
        span.end_time_unix_nano = span.start_time_unix_nano + dice.randrange(2 * 10**9)
        for data in _attributes_of(dice):
            ParseDict(data, span.attributes.add())
        for _ in range(dice.randrange(3)):
            event = span.events.add(
                name=dice.choice(["exception", "noted"]),
                time_unix_nano=span.start_time_unix_nano + 5000,
                dropped_attributes_count=dice.choice([0, 2]),
            )
            for data in _attributes_of(dice):
                ParseDict(data, event.attributes.add())
        if ids and dice.random() < 0.4:
            span.links.add(trace_id=trace_id, span_id=dice.choice(ids), trace_state="a=b", flags=1)
        if dice.random() < 0.2:
            span.links.add(trace_id=dice.randbytes(16), span_id=dice.randbytes(8))
        span.status.code = dice.randrange(3)
        if span.status.code == 2 and dice.random() < 0.5:
            span.status.message = "card declined"
        ids.append(span.span_id)
        by_service[dice.choice(SERVICES)].append(span)
    return by_service
