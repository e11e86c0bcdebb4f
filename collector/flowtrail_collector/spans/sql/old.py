"""Spans that an earlier version kept one by one, to be packed."""

from __future__ import annotations

from typing import Any

import orjson

from flowtrail_collector.spans.model import Resource, Span, SpanEvent, SpanKind, SpanLink, SpanStatus
from flowtrail_collector.spans.sql.adding import Group, grouped
from flowtrail_collector.spans.sql.packs import attributes_from, read_resources
from flowtrail_collector.store.sql import Connection

__all__ = ["take_over"]

_SELECT = """SELECT id, received_s, resource_id, trace_id, span_id, parent_id, name, kind, start_ns, end_ns, status, detail
 FROM spans ORDER BY id DESC LIMIT ?"""
_DELETE_IDS = "DELETE FROM span_ids WHERE rowid IN (SELECT rowid FROM span_ids ORDER BY rowid LIMIT ?)"


def take_over(connection: Connection, limit: int) -> tuple[list[tuple[int, int, Group]], int]:
    """Take the newest spans out of the old table, within a writing transaction.

    Returns:
        What to pack of them, each with its number and when it was received, and how many rows that were.
    """
    rows = connection.execute(_SELECT, (limit,)).fetchall()
    if not rows:
        return [], connection.execute(_DELETE_IDS, (limit,)).rowcount
    resources = read_resources(connection, {row[2] for row in rows})
    spans = [_span(row[3:], resources.get(row[2]) or Resource("unknown_service")) for row in rows]
    numbers = {id(span): row[0] for span, row in zip(spans, rows, strict=True)}
    received = {id(span): row[1] for span, row in zip(spans, rows, strict=True)}
    groups = [
        (
            min(numbers[id(span)] for span in group.spans),
            max(received[id(span)] for span in group.spans),
            group,
        )
        for group in grouped(spans, [row[2] for row in rows])
    ]
    connection.execute("DELETE FROM spans WHERE id >= ?", (rows[-1][0],))
    return groups, len(rows)


def _span(row: tuple[Any, ...], resource: Resource) -> Span:
    trace_id, span_id, parent_id, name, kind, start_ns, end_ns, status, text = row
    detail = orjson.loads(text)
    return Span(
        trace_id=trace_id.hex(),
        span_id=span_id.hex(),
        parent_span_id=parent_id.hex() if parent_id else None,
        resource=resource,
        name=name,
        kind=SpanKind(kind),
        start_ns=start_ns,
        end_ns=end_ns,
        status=SpanStatus(status),
        status_message=detail.get("m", ""),
        attributes=attributes_from(detail["a"]),
        events=tuple(SpanEvent(name, at, attributes_from(told)) for name, at, told in detail.get("e", ())),
        links=tuple(
            SpanLink(trace, span, attributes_from(told)) for trace, span, told in detail.get("l", ())
        ),
        scope=detail.get("s", ""),
        scope_version=detail.get("v", ""),
        trace_state=detail.get("t", ""),
        scope_attributes=attributes_from(detail.get("i") or {}),
        flags=detail.get("f", 0),
    )
