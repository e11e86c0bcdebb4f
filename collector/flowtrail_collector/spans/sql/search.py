"""Searching spans the way Jaeger's query API does. Every question touches a bounded number of spans."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from flowtrail_collector.spans.jaeger_json import tag_texts
from flowtrail_collector.spans.model import Resource, Span
from flowtrail_collector.spans.ports import ServiceCall, SpanOperation, TraceQuery
from flowtrail_collector.spans.sql.packs import (
    EXTENT_NS,
    Pack,
    packs_of,
    raw_spans,
    read_packs,
    read_resources,
    unpacked,
)
from flowtrail_collector.store.sql import Connection, Database

_MAX_NAMES = 10_000
_MAX_RESOURCES = 200
_SCANNED_SPANS = 50_000
_MAX_TIME_NS = 2**63 - 1
_NEWEST = "resource_id = ? AND last_ns BETWEEN ? AND ? AND first_ns <= ? ORDER BY last_ns DESC LIMIT ?"
# Those with the newest spans: a process that lives for months isn't hidden by jobs that come and go.
_RESOURCES = """
SELECT id FROM span_resources WHERE service = ?
ORDER BY coalesce((SELECT max(last_ns) FROM span_packs WHERE resource_id = span_resources.id AND last_ns <= ?), 0) DESC
LIMIT ?"""
_LAST = "SELECT id + spans FROM span_packs ORDER BY id DESC LIMIT 1"
# Parents that were received long before their children.
_MAX_EARLIER_TRACES = 1_000

_SpanKey = tuple[int, int, str]


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
            until_ns = min(query.end_ns + EXTENT_NS, _MAX_TIME_NS)
            ids = connection.execute(_RESOURCES, (query.service, until_ns, _MAX_RESOURCES)).fetchall()
            resources = read_resources(connection, [row[0] for row in ids])
            for span in _newest_first(connection, resources, query, until_ns):
                if span.trace_id not in found and _fits(span, query):
                    found[span.trace_id] = None
                    if len(found) >= query.limit:
                        break
        return list(found)

    def calls(self, start_ns: int, end_ns: int) -> list[ServiceCall]:
        """See `SpanSearch.calls`."""
        with self._database.read() as connection:
            last = connection.execute(_LAST).fetchone()
            packs = list(read_packs(connection, "id >= ?", (last[0] - _SCANNED_SPANS,))) if last else []
            callers, children = _callers(packs), list(_children(packs, start_ns, end_ns))
            lost = {parent[:2] for parent, _ in children if parent not in callers}
            earlier = packs_of(connection, sorted(lost)[:_MAX_EARLIER_TRACES])
            for key, resource_ids in _callers(earlier).items():
                callers.setdefault(key, resource_ids)
            ids = {pack.resource_id for pack in (*packs, *earlier)}
            services = {id_: resource.service for id_, resource in read_resources(connection, ids).items()}
        counted: Counter[tuple[str, str]] = Counter()
        for parent, callee in children:
            for caller in callers.get(parent, ()):
                counted[services[caller], services[callee]] += 1
        return [ServiceCall(*pair, number) for pair, number in sorted(counted.items()) if pair[0] != pair[1]]

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(statement, values).fetchall()
        return rows


def _callers(packs: Collection[Pack]) -> dict[_SpanKey, list[int]]:
    """Which resources have a span with this id; a client and its server may share one."""
    found: dict[_SpanKey, list[int]] = {}
    for pack in packs:
        for row in raw_spans(pack.detail):
            found.setdefault((pack.trace, pack.trace_upper, row[0]), []).append(pack.resource_id)
    return found


def _children(packs: Collection[Pack], start_ns: int, end_ns: int) -> Iterator[tuple[_SpanKey, int]]:
    """The parent of each span of a time that has one, and the span's own resource."""
    for pack in packs:
        for row in raw_spans(pack.detail):
            if row[1] and start_ns <= row[4] <= end_ns:
                yield (pack.trace, pack.trace_upper, row[1]), pack.resource_id


def _newest_first(
    connection: Connection, resources: dict[int, Resource], query: TraceQuery, until_ns: int
) -> Iterator[Span]:
    """Spans of several processes of one service, merged by time; each is read in the order of its index."""
    share = max(1_000, _SCANNED_SPANS // max(1, len(resources)))
    cursors = [
        read_packs(connection, _NEWEST, (resource, query.start_ns, until_ns, query.end_ns, share))
        for resource in resources
    ]
    # Opened, and not yet shown, because a pack behind may have a newer one.
    opened: list[tuple[int, int, Span]] = []
    number = 0
    for pack in heapq.merge(*cursors, key=lambda pack: -pack.last_ns):
        while opened and -opened[0][0] >= pack.last_ns:
            yield heapq.heappop(opened)[2]
        if number >= _SCANNED_SPANS:
            break
        for span in unpacked(pack, resources):
            number += 1
            if query.start_ns <= span.start_ns <= query.end_ns:
                heapq.heappush(opened, (-span.start_ns, number, span))
    while opened:
        yield heapq.heappop(opened)[2]


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
