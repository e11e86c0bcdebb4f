"""Forgetting spans: by age and number, pack by pack, or the traces of whole flows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from flowtrail_collector.spans.attributes import CONVERSATION_ID
from flowtrail_collector.spans.sql.packs import (
    Pack,
    hashes_in,
    key_of,
    packs_of,
    portions,
    raw_spans,
    read_packs,
    trace_id_of,
)
from flowtrail_collector.store.sql import Connection, marks

__all__ = ["SpareTraces", "delete_packs", "due_packs", "forget_traces", "spared", "traces_with"]

SpareTraces = Callable[[Connection, Mapping[str, set[str]]], set[str]]
"""Those of these traces that stay although their spans are too old; with each, the correlation ids its spans name."""
_DELETE = "DELETE FROM span_packs WHERE id = ?"
_DELETE_KEY = "DELETE FROM span_keys WHERE hash = ? AND trace = ?"


def due_packs(
    connection: Connection, after: int, surplus_below: int, oldest_s: int, limit: int
) -> list[Pack]:
    """The oldest packs that are received earlier or too many, with `limit` spans or a few more."""
    due: list[Pack] = []
    spans = 0
    for pack in read_packs(connection, "id > ? ORDER BY id LIMIT ?", (after, limit)):
        if spans >= limit or (pack.received_s >= oldest_s and pack.id + pack.spans > surplus_below):
            break
        due.append(pack)
        spans += pack.spans
    return due


def spared(connection: Connection, packs: Sequence[Pack], spare: SpareTraces) -> set[int]:
    """Ids of the packs whose traces stay."""
    flows: dict[str, set[str]] = {}
    for pack in packs:
        flows.setdefault(trace_id_of(pack.trace, pack.trace_upper), set()).update(_flows_in([pack]))
    kept = spare(connection, flows)
    return {pack.id for pack in packs if trace_id_of(pack.trace, pack.trace_upper) in kept}


def delete_packs(connection: Connection, packs: Sequence[Pack]) -> None:
    """Delete packs, and the keys that lead to nothing any more."""
    connection.executemany(_DELETE, [(pack.id,) for pack in packs])
    going = {(hash_, pack.trace) for pack in packs for hash_ in pack.hashes}
    for part in portions(pack.trace for pack in packs):
        for left in read_packs(connection, f"trace IN ({marks(part)})", part):
            going.difference_update((hash_, left.trace) for hash_ in left.hashes)
    connection.executemany(_DELETE_KEY, sorted(going))


def traces_with(connection: Connection, values: Collection[str]) -> set[tuple[int, int]]:
    """Traces with a span that has one of these correlation ids, message ids or subjects."""
    found: set[tuple[int, int]] = set()
    wanted = set(map(key_of, values))
    for part in portions(wanted):
        statement = f"""SELECT p.trace, p.trace_upper, p.found_by FROM span_keys k
 JOIN span_packs p ON p.trace = k.trace WHERE k.hash IN ({marks(part)})"""  # noqa: S608 - only marks
        for lower, upper, found_by in connection.execute(statement, part).fetchall():
            if not wanted.isdisjoint(hashes_in(bytes(found_by))):
                found.add((lower, upper))
    return found


def forget_traces(connection: Connection, traces: Iterable[tuple[int, int]], flows: Collection[str]) -> int:
    """Forget all spans of these traces, but of those that belong to other flows as well; how many went."""
    by_trace: dict[tuple[int, int], list[Pack]] = {}
    for pack in packs_of(connection, list(traces)):
        by_trace.setdefault((pack.trace, pack.trace_upper), []).append(pack)
    going = [pack for packs in by_trace.values() if _flows_in(packs).issubset(flows) for pack in packs]
    delete_packs(connection, going)
    return sum(pack.spans for pack in going)


def _flows_in(packs: Iterable[Pack]) -> set[str]:
    """The correlation ids that spans name."""
    named = (row[7].get(CONVERSATION_ID) for pack in packs for row in raw_spans(pack.detail))
    return {str(flow) for flow in named if flow}
