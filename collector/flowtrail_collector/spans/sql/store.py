"""Spans in the store: a row for those of one trace that came together, and narrow rows of hashes that lead to traces.

An index on every span, or on every text that leads to one, would be most of the work: each entry belongs somewhere
else in it. So an order's thirty spans are some rows, and its ids some ten narrow entries; see `packs`.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice

from flowtrail_collector.errors import StoreError
from flowtrail_collector.spans.model import Resource, Span
from flowtrail_collector.spans.shared_ids import with_own_ids
from flowtrail_collector.spans.sql.adding import Group, fresh_groups, grouped, new_packs
from flowtrail_collector.spans.sql.forgetting import (
    SpareTraces,
    delete_packs,
    due_packs,
    forget_traces,
    spared,
    traces_with,
)
from flowtrail_collector.spans.sql.old import take_over
from flowtrail_collector.spans.sql.packs import (
    PACK_COLUMNS,
    Pack,
    key_of,
    packs_of,
    portions,
    read_resources,
    to_json,
    trace_id_of,
    trace_key,
    unpacked,
    uppers_found_by,
)
from flowtrail_collector.store.sql import Connection, Database, insert_rows, marks

_INSERT_PACKS = f"INSERT INTO span_packs ({PACK_COLUMNS})"
_INSERT_KEYS = "INSERT OR IGNORE INTO span_keys (hash, trace, pack)"
_INSERT_OPERATION = "INSERT OR IGNORE INTO span_operations (service, name, kind) VALUES (?, ?, ?)"
_SELECT_OPERATIONS = "SELECT name, kind FROM span_operations WHERE service = ? LIMIT ?"
_NEXT = """SELECT coalesce((SELECT id + spans FROM span_packs ORDER BY id DESC LIMIT 1), 1),
 coalesce((SELECT max(id) + 1 FROM spans), 1)"""
# Names of operations belong to code, not to data; a service that puts ids into them gets this many.
_MAX_OPERATIONS = 1_000
_CACHED_KEYS = 50_000


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
        # Lately written for a trace: most spans repeat their siblings' ids.
        self._known_keys: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._spare: SpareTraces | None = None
        self._after = -1

    def add(self, spans: Sequence[Span]) -> int:
        """Keep spans; see `SpanWriter.add`."""
        received_s = int(self._time_seconds())
        with self._database.transaction() as connection:
            groups = grouped(spans, self._resource_rows(connection, spans))
            groups = fresh_groups(connection, groups)
            first = max(connection.execute(_NEXT).fetchone())
            packs = self._write(connection, groups, first, received_s)
            operations = self._new_operations(connection, spans)
            connection.executemany(_INSERT_OPERATION, operations)
        # Only now: had the transaction failed, the cache would hide what isn't in the tables.
        self._remember(packs)
        for service, name, kind in operations:
            self._operations[service].add((name, kind))
        return sum(pack.spans for pack in packs)

    def take_over(self, limit: int = 2_000) -> int:
        """Pack some of the spans that an earlier version kept one by one, the newest first; how many are looked at."""
        with self._database.transaction() as connection:
            groups, looked_at = take_over(connection, limit)
            for first, received_s, group in groups:
                for fresh in fresh_groups(connection, [group]):
                    self._write(connection, [fresh], first, received_s)
        self._known_keys.clear()
        return looked_at

    def spare_with(self, spare: SpareTraces) -> None:
        """Ask this which traces stay although their spans are too old."""
        self._spare = spare

    def prune(
        self, *, older_than_seconds: float, keep_at_most: int, limit: int = 10_000, sparing: bool = True
    ) -> int:
        """Forget the oldest spans; see `SpanWriter.prune`. Those that are spared count as well."""
        oldest_s = int(self._time_seconds() - older_than_seconds)
        spare = self._spare if sparing else None
        with self._database.transaction() as connection:
            # Ids go on in the order of arrival, and they count the spans.
            surplus_below = max(connection.execute(_NEXT).fetchone()) - keep_at_most
            due = due_packs(connection, self._after if spare else -1, surplus_below, oldest_s, limit)
            by_age = [pack for pack in due if pack.id + pack.spans > surplus_below]
            kept = spared(connection, by_age, spare) if spare else set()
            delete_packs(connection, [pack for pack in due if pack.id not in kept])
        if kept:
            self._after = due[-1].id
        if due:
            self._known_keys.clear()
        return sum(pack.spans for pack in due)

    def traces_with(self, connection: Connection, values: Collection[str]) -> set[str]:
        """Traces with a span that has one of these ids or subjects, within a transaction."""
        return {trace_id_of(*trace) for trace in traces_with(connection, values)}

    def forget_traces(self, connection: Connection, traces: Collection[str], flows: Collection[str]) -> int:
        """Forget all spans of these traces within a writing transaction; how many went.

        Args:
            connection: Of the transaction.
            traces: Their ids.
            flows: Correlation ids; a trace with a span of another one stays.
        """
        gone = forget_traces(connection, _keys(traces), flows)
        if gone:
            self._known_keys.clear()
        return gone

    def trace_ids(self, value: str, limit: int = 100) -> list[str]:
        """Traces found by one value; see `SpanReader.trace_ids`."""
        statement = "SELECT trace FROM span_keys WHERE hash = ? ORDER BY pack DESC LIMIT ?"
        with self._database.read() as connection:
            found = [row[0] for row in connection.execute(statement, (key_of(value), limit)).fetchall()]
            uppers: dict[int, list[int]] = {}
            for part in portions(found):
                halves = f"SELECT DISTINCT trace, trace_upper FROM span_packs WHERE trace IN ({marks(part)})"  # noqa: S608
                for lower, upper in connection.execute(halves, part).fetchall():
                    uppers.setdefault(lower, []).append(upper)
            for lower, alike in uppers.items():
                if len(alike) > 1:
                    uppers[lower] = uppers_found_by(connection, lower, key_of(value))
        return [trace_id_of(lower, upper) for lower in reversed(found) for upper in uppers.get(lower, ())]

    def count(self, trace_ids: Sequence[str]) -> int:
        """See `SpanReader.count`."""
        wanted, total = set(_keys(trace_ids)), 0
        with self._database.read() as connection:
            for part in portions(lower for lower, _ in wanted):
                counted = f"SELECT trace, trace_upper, spans FROM span_packs WHERE trace IN ({marks(part)})"  # noqa: S608
                rows = connection.execute(counted, part).fetchall()
                total += sum(spans for lower, upper, spans in rows if (lower, upper) in wanted)
        return total

    def spans(self, trace_ids: Sequence[str], limit: int = 5_000) -> list[Span]:
        """The spans of some traces; see `SpanReader.spans`."""
        wanted = _keys(trace_ids)
        if not wanted:
            return []
        with self._database.read() as connection:
            packs = packs_of(connection, wanted)
            resources = read_resources(connection, {pack.resource_id for pack in packs})
        return with_own_ids(list(islice(_in_time(packs, resources), limit)))

    def _write(
        self, connection: Connection, groups: Sequence[Group], first: int, received_s: int
    ) -> list[Pack]:
        try:
            packs, keys = new_packs(groups, first, received_s, self._known_keys)
        except TypeError as error:  # what JSON and 64 bits don't hold
            raise StoreError(f"spans can't be kept: {error}") from error
        insert_rows(connection, _INSERT_PACKS, packs)
        insert_rows(connection, _INSERT_KEYS, keys)
        return packs

    def _remember(self, packs: Iterable[Pack]) -> None:
        for pack in packs:
            self._known_keys.update(dict.fromkeys((hash_, pack.trace) for hash_ in pack.hashes))
        while len(self._known_keys) > _CACHED_KEYS:
            self._known_keys.popitem(last=False)

    def _new_operations(self, connection: Connection, spans: Sequence[Span]) -> list[tuple[str, str, int]]:
        new: list[tuple[str, str, int]] = []
        room: dict[str, int] = {}
        for service, name, kind in sorted({(span.resource.service, span.name, span.kind) for span in spans}):
            known = self._operations.get(service)
            if known is None:
                rows = connection.execute(_SELECT_OPERATIONS, (service, _MAX_OPERATIONS)).fetchall()
                known = self._operations[service] = {(row[0], row[1]) for row in rows}
            left = room.setdefault(service, _MAX_OPERATIONS - len(known))
            if left > 0 and (name, kind) not in known:
                room[service] = left - 1
                new.append((service, name, int(kind)))
        return new

    def _resource_rows(self, connection: Connection, spans: Sequence[Span]) -> list[int]:
        by_object: dict[int, int] = {}
        result = []
        for span in spans:
            # All spans of a request share the object: it is hashed once, not once per span.
            row_id = by_object.get(id(span.resource))
            if row_id is None:
                row_id = by_object[id(span.resource)] = _resource_row(connection, span.resource)
            result.append(row_id)
        return result


def _resource_row(connection: Connection, resource: Resource) -> int:
    digest = hashlib.sha256(to_json([resource.service, dict(sorted(resource.attributes.items()))])).digest()[
        :16
    ]
    connection.execute(
        "INSERT OR IGNORE INTO span_resources (digest, service, attributes) VALUES (?, ?, ?)",
        (digest, resource.service, to_json(resource.attributes).decode()),
    )
    row = connection.execute("SELECT id FROM span_resources WHERE digest = ?", (digest,)).fetchone()
    return int(row[0])


def _keys(trace_ids: Iterable[str]) -> list[tuple[int, int]]:
    return [key for text in dict.fromkeys(trace_ids) if (key := trace_key(text)) is not None]


def _in_time(packs: Sequence[Pack], resources: dict[int, Resource]) -> Iterator[Span]:
    """The spans of packs by start and id; those of another time are opened when their turn comes."""
    waiting = deque(sorted(packs, key=lambda pack: pack.first_ns))
    while waiting:
        together, last_ns = [], waiting[0].last_ns
        while waiting and waiting[0].first_ns <= last_ns:
            pack = waiting.popleft()
            last_ns = max(last_ns, pack.last_ns)
            together += unpacked(pack, resources)
        yield from sorted(together, key=lambda span: (span.start_ns, span.span_id))
