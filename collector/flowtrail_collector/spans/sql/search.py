"""Searching spans the way Jaeger's query API does. Every question touches a bounded number of spans."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

from flowtrail_collector.spans.jaeger_json import tag_texts
from flowtrail_collector.spans.model import Span
from flowtrail_collector.spans.ports import ServiceCall, SpanOperation, TraceQuery
from flowtrail_collector.spans.sql.rows import COLUMNS, read_resources, to_span
from flowtrail_collector.store.sql import Connection, Database

_MAX_NAMES = 10_000
_MAX_RESOURCES = 200
_SCANNED_SPANS = 50_000
_NEWEST = (
    f"SELECT {COLUMNS} FROM spans WHERE resource_id = ? AND start_ns BETWEEN ? AND ?"  # noqa: S608 - our columns
    " ORDER BY start_ns DESC LIMIT ?"
)
# Those with the newest spans: a process that lives for months isn't hidden by jobs that come and go.
_RESOURCES = """
SELECT id FROM span_resources WHERE service = ?
ORDER BY coalesce((SELECT max(start_ns) FROM spans WHERE resource_id = span_resources.id AND start_ns <= ?), 0) DESC
LIMIT ?"""
_CALLS = """
SELECT caller.service, callee.service, count(*)
FROM (SELECT * FROM spans ORDER BY id DESC LIMIT ?) child
JOIN spans parent ON parent.trace_id = child.trace_id AND parent.span_id = child.parent_id
JOIN span_resources callee ON callee.id = child.resource_id
JOIN span_resources caller ON caller.id = parent.resource_id
WHERE child.start_ns BETWEEN ? AND ? AND caller.service != callee.service
GROUP BY caller.service, callee.service ORDER BY caller.service, callee.service"""


class SqlSpanSearch:
    """`SpanSearch` on the collector's database.

    Args:
        database: The collector's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def services(self) -> list[str]:
        """See `SpanSearch.services`."""
        statement = "SELECT DISTINCT service FROM span_resources ORDER BY service LIMIT ?"
        return [row[0] for row in self._rows(statement, _MAX_NAMES)]

    def operations(self, service: str) -> list[SpanOperation]:
        """See `SpanSearch.operations`."""
        statement = "SELECT name, kind FROM span_operations WHERE service = ? ORDER BY name, kind LIMIT ?"
        return [SpanOperation(*row) for row in self._rows(statement, service, _MAX_NAMES)]

    def find(self, query: TraceQuery) -> list[str]:
        """See `SpanSearch.find`."""
        found: dict[str, None] = {}
        with self._database.read() as connection:
            ids = connection.execute(_RESOURCES, (query.service, query.end_ns, _MAX_RESOURCES)).fetchall()
            resources = read_resources(connection, [row[0] for row in ids])
            for row in _newest_first(connection, list(resources), query):
                if row[0].hex() not in found and _fits(to_span(row, resources), query):
                    found[row[0].hex()] = None
                    if len(found) >= query.limit:
                        break
        return list(found)

    def calls(self, start_ns: int, end_ns: int) -> list[ServiceCall]:
        """See `SpanSearch.calls`."""
        return [ServiceCall(*row) for row in self._rows(_CALLS, _SCANNED_SPANS, start_ns, end_ns)]

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(statement, values).fetchall()
        return rows


def _newest_first(
    connection: Connection, resources: list[int], query: TraceQuery
) -> Iterator[tuple[Any, ...]]:
    """Spans of several processes of one service, merged by time; each is read in the order of its index."""
    share = max(1_000, _SCANNED_SPANS // max(1, len(resources)))
    cursors = [
        connection.execute(_NEWEST, (resource, query.start_ns, query.end_ns, share)) for resource in resources
    ]
    start_ns = COLUMNS.split(", ").index("start_ns")
    return heapq.merge(*cursors, key=lambda row: -row[start_ns])


def _fits(span: Span, query: TraceQuery) -> bool:
    took_ns = span.end_ns - span.start_ns
    if query.operation is not None and span.name != query.operation:
        return False
    if query.least_ns is not None and took_ns < query.least_ns:
        return False
    if query.most_ns is not None and took_ns > query.most_ns:
        return False
    if not query.tags:
        return True
    found = set(tag_texts(span))
    return all(tag in found for tag in query.tags)
