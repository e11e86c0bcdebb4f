"""Spans in SQLite.

A span is one row in arrival order, so that forgetting the oldest touches neighbouring pages; what isn't
asked for by column is one JSON text. Correlation ids, message ids and subjects lead to traces through
`span_ids`, one row per value and trace: some seven rows for the thirty spans of an order, where indexes on
the spans themselves would need sixty.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from flowtrail_collector.spans.model import Resource, Span
from flowtrail_collector.spans.shared_ids import with_own_ids
from flowtrail_collector.spans.sql.rows import COLUMNS, id_bytes, read_resources, to_json, to_row, to_span
from flowtrail_collector.store.sql import Connection, Database, insert_rows, marks

_INSERT_SPANS = (
    "INSERT OR IGNORE INTO spans (trace_id, span_id, parent_id, resource_id, name, kind, start_ns, end_ns, status,"
    " received_s, detail)"
)
_INSERT_IDS = "INSERT OR IGNORE INTO span_ids (value, trace_id, received_s)"
_SELECT_SPANS = f"SELECT {COLUMNS} FROM spans WHERE trace_id IN "  # noqa: S608 - our own columns
_INSERT_OPERATION = "INSERT OR IGNORE INTO span_operations (service, name, kind) VALUES (?, ?, ?)"
_MAX_VALUE_LENGTH = 512
_SELECT_OPERATIONS = "SELECT name, kind FROM span_operations WHERE service = ? LIMIT ?"
# Names of operations belong to code, not to data; a service that puts ids into them gets this many.
_MAX_OPERATIONS = 1_000
_CACHED_IDS = 50_000


class SqlSpans:
    """`SpanWriter` and `SpanReader` on the collector's database.

    Args:
        database: The collector's database.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(self, database: Database, *, time_seconds: Callable[[], float] = time.time) -> None:
        self._database = database
        self._time_seconds = time_seconds
        # Names and kinds by service.
        self._operations: dict[str, set[tuple[str, int]]] = {}
        # Values lately written for a trace: most spans repeat their siblings' ids.
        self._known_ids: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def add(self, spans: Sequence[Span]) -> int:
        """Keep spans; see `SpanWriter.add`."""
        received_s = int(self._time_seconds())
        ids = self._new_ids(spans)
        with self._database.transaction() as connection:
            resources = self._resource_rows(connection, spans)
            before = connection.total_changes
            rows = [
                to_row(span, resource_id, received_s)
                for span, resource_id in zip(spans, resources, strict=True)
            ]
            insert_rows(connection, _INSERT_SPANS, rows)
            new = connection.total_changes - before
            insert_rows(connection, _INSERT_IDS, [(value, trace_id, received_s) for value, trace_id in ids])
            operations = self._new_operations(connection, spans)
            connection.executemany(_INSERT_OPERATION, operations)
        # Only now: had the transaction failed, the cache would hide ids that aren't in the table.
        self._remember(ids)
        for service, name, kind in operations:
            self._operations[service].add((name, kind))
        return int(new)

    def prune(self, *, older_than_seconds: float, keep_at_most: int, limit: int = 10_000) -> int:
        """Forget the oldest spans; see `SpanWriter.prune`."""
        oldest_s = int(self._time_seconds() - older_than_seconds)
        with self._database.transaction() as connection:
            first, last = connection.execute("SELECT min(id), max(id) FROM spans").fetchone()
            if first is None:
                return 0
            # Ids are handed out in order of arrival, so they count the spans and bound the work.
            surplus_below = last - keep_at_most + 1
            gone = connection.execute(
                "DELETE FROM spans WHERE id < ? AND (id < ? OR received_s < ?)",
                (first + limit, surplus_below, oldest_s),
            ).rowcount
            left = connection.execute("SELECT received_s FROM spans ORDER BY id LIMIT 1").fetchone()
            connection.execute(
                "DELETE FROM span_ids WHERE rowid IN"
                " (SELECT rowid FROM span_ids WHERE received_s < ? ORDER BY rowid LIMIT ?)",
                (left[0] if left else 2**62, limit),
            )
        if gone:
            self._known_ids.clear()
        return int(gone)

    def trace_ids(self, value: str, limit: int = 100) -> list[str]:
        """Traces found by one value; see `SpanReader.trace_ids`."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT trace_id FROM span_ids WHERE value = ? ORDER BY rowid DESC LIMIT ?",
                (value[:_MAX_VALUE_LENGTH], limit),
            ).fetchall()
        return [row[0].hex() for row in reversed(rows)]

    def count(self, trace_ids: Sequence[str]) -> int:
        """See `SpanReader.count`."""
        wanted = _trace_ids(trace_ids)
        with self._database.read() as connection:
            statement = f"SELECT count(*) FROM spans WHERE trace_id IN ({marks(wanted)})"  # noqa: S608 - only marks
            return int(connection.execute(statement, wanted).fetchone()[0])

    def spans(self, trace_ids: Sequence[str], limit: int = 5_000) -> list[Span]:
        """The spans of some traces; see `SpanReader.spans`."""
        wanted = _trace_ids(trace_ids)
        if not wanted:
            return []
        with self._database.read() as connection:
            rows = connection.execute(
                f"{_SELECT_SPANS}({marks(wanted)}) ORDER BY start_ns, span_id LIMIT ?",
                (*wanted, limit),
            ).fetchall()
            resources = read_resources(connection, {row[3] for row in rows})
        return with_own_ids([to_span(row, resources) for row in rows])

    def _new_ids(self, spans: Sequence[Span]) -> list[tuple[str, bytes]]:
        known = self._known_ids
        # In order of arrival: siblings stand together, and so do their rows.
        found: dict[tuple[str, bytes], None] = {}
        text, trace_id = "", b""
        for span in spans:
            if span.trace_id != text:
                text, trace_id = span.trace_id, bytes.fromhex(span.trace_id)
            for value in span.lookup_values():
                pair = (value[:_MAX_VALUE_LENGTH], trace_id)
                if pair not in known:
                    found[pair] = None
        return list(found)

    def _new_operations(self, connection: Connection, spans: Sequence[Span]) -> list[tuple[str, str, int]]:
        new: list[tuple[str, str, int]] = []
        room: dict[str, int] = {}
        for service, name, kind in sorted({(span.service, span.name, int(span.kind)) for span in spans}):
            known = self._operations.get(service)
            if known is None:
                rows = connection.execute(_SELECT_OPERATIONS, (service, _MAX_OPERATIONS)).fetchall()
                known = self._operations[service] = {(row[0], row[1]) for row in rows}
            left = room.setdefault(service, _MAX_OPERATIONS - len(known))
            if left > 0 and (name, kind) not in known:
                room[service] = left - 1
                new.append((service, name, kind))
        return new

    def _remember(self, ids: Iterable[tuple[str, bytes]]) -> None:
        self._known_ids.update(dict.fromkeys(ids))
        while len(self._known_ids) > _CACHED_IDS:
            self._known_ids.popitem(last=False)

    def _resource_rows(self, connection: Connection, spans: Sequence[Span]) -> list[int]:
        by_object: dict[int, int] = {}
        result = []
        for span in spans:
            # All spans of a request share the object: it is hashed once, not once per span.
            row_id = by_object.get(id(span.resource))
            if row_id is None:
                row_id = by_object[id(span.resource)] = self._resource_row(connection, span.resource)
            result.append(row_id)
        return result

    def _resource_row(self, connection: Connection, resource: Resource) -> int:
        text = to_json([resource.service, dict(sorted(resource.attributes.items()))])
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
        connection.execute(
            "INSERT OR IGNORE INTO span_resources (digest, service, attributes) VALUES (?, ?, ?)",
            (digest, resource.service, to_json(resource.attributes)),
        )
        row = connection.execute("SELECT id FROM span_resources WHERE digest = ?", (digest,)).fetchone()
        return int(row[0])


def _trace_ids(texts: Sequence[str]) -> list[bytes]:
    return [trace_id for text in dict.fromkeys(texts) if (trace_id := id_bytes(text, 16))]
