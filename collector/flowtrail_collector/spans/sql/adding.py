"""From spans to packs: those of one trace, process and time together, and each only once."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from struct import pack as pack_struct
from typing import NamedTuple

from flowtrail_collector.errors import StoreError
from flowtrail_collector.spans.model import Span
from flowtrail_collector.spans.sql.packs import (
    EXTENT_NS,
    MAX_VALUE_LENGTH,
    Pack,
    key_of,
    packed,
    portions,
    raw_spans,
    trace_key,
)
from flowtrail_collector.store.sql import Connection, marks

__all__ = ["Group", "fresh_groups", "grouped", "new_packs"]

_LAST_EXTENT = (2**63 - 1) // EXTENT_NS
_Place = tuple[str, int]
_PACKS = "SELECT trace, trace_upper, resource_id, span_ids, detail FROM span_packs WHERE trace IN "


class Group(NamedTuple):
    """Spans of one trace and resource that began at about the same time."""

    trace_id: str
    resource_id: int
    spans: list[Span]


def grouped(spans: Sequence[Span], resources: Iterable[int]) -> list[Group]:
    """Spans that belong into one pack together.

    Raises:
        StoreError: One begins at a time that 64 bits don't hold.
    """
    found: dict[tuple[str, int, int], list[Span]] = {}
    for span, resource_id in zip(spans, resources, strict=True):
        key = (span.trace_id, resource_id, span.start_ns // EXTENT_NS)
        known = found.get(key)
        if known is None:
            found[key] = [span]
        else:
            known.append(span)
    if any(extent > _LAST_EXTENT for _, _, extent in found):
        raise StoreError("spans can't be kept: one begins later than 64 bits of nanoseconds say")
    return [Group(trace_id, resource_id, own) for (trace_id, resource_id, _), own in found.items()]


def fresh_groups(connection: Connection, groups: Sequence[Group]) -> list[Group]:
    """The groups without the spans that are in the store already, or twice among them.

    Two are the same if trace, resource, id, kind and end are.
    """
    known = _Known(connection, {group.trace_id for group in groups})
    found = []
    for group in groups:
        spans = known.without(group)
        if spans:
            found.append(group if len(spans) == len(group.spans) else group._replace(spans=spans))
    return found


class _Known:
    """Which spans there are of some traces. That a new one has the id of a known one is rare: only then packs are opened."""

    def __init__(self, connection: Connection, traces: Iterable[str]) -> None:
        by_key = {trace_key(trace): trace for trace in traces}
        self._packs: dict[_Place, list[tuple[bytes, bytes]]] = {}
        self._ids: dict[_Place, set[str]] = {}
        self._taken: dict[_Place, list[Span]] = {}
        for part in portions(key[0] for key in by_key if key):
            for row in connection.execute(f"{_PACKS}({marks(part)})", part).fetchall():
                trace = by_key.get((row[0], row[1]))
                if trace is not None:
                    self._packs.setdefault((trace, row[2]), []).append((row[3], row[4]))

    def without(self, group: Group) -> list[Span]:
        """The spans of a group that aren't known; from now on they are."""
        place = (group.trace_id, group.resource_id)
        known = self._ids.get(place)
        if known is None:
            known = self._ids[place] = set(self._stored_ids(place))
        own = [span.span_id for span in group.spans]
        spans = group.spans
        if len(set(own)) < len(own) or not known.isdisjoint(own):
            spans = self._apart(place, spans)
        known.update(own)
        self._taken.setdefault(place, []).extend(spans)
        return spans

    def _stored_ids(self, place: _Place) -> Iterator[str]:
        for ids, _ in self._packs.get(place, ()):
            text = ids.hex()
            yield from (text[start : start + 16] for start in range(0, len(text), 16))

    def _apart(self, place: _Place, spans: Sequence[Span]) -> list[Span]:
        there = {(span.span_id, span.kind, span.end_ns) for span in self._taken.get(place, ())}
        for _, detail in self._packs.get(place, ()):
            there.update((row[0], row[3], row[5]) for row in raw_spans(detail))
        found = []
        for span in spans:
            key = (span.span_id, span.kind, span.end_ns)
            if key not in there:
                there.add(key)
                found.append(span)
        return found


def new_packs(
    groups: Sequence[Group], first: int, received_s: int, known: Container[tuple[int, int]]
) -> tuple[list[Pack], list[tuple[int, int, int]]]:
    """Packs of groups, and the keys that lead to their traces: hash, trace, pack.

    Args:
        groups: What to pack.
        first: Number of the first span.
        received_s: When they came, seconds since the epoch.
        known: Hashes and traces that are stored already.

    Raises:
        TypeError: A span holds what can't be kept.
    """
    hashes = _Hashes()
    packs: list[Pack] = []
    keys: dict[tuple[int, int], int] = {}
    for trace_id, resource_id, spans in groups:
        lower, upper = trace_key(trace_id) or (0, 0)
        own = {hashes[value] for span in spans for value in span.lookup_values()}
        for hash_ in own:
            if (hash_, lower) not in known:
                keys.setdefault((hash_, lower), first)
        starts = [span.start_ns for span in spans]
        packs.append(
            Pack(first, lower, upper, resource_id, min(starts), max(starts), received_s, len(spans),
                 bytes.fromhex("".join([span.span_id for span in spans])), pack_struct(f"<{len(own)}q", *own),
                 packed(spans))
        )  # fmt: skip
        first += len(spans)
    return packs, [(hash_, lower, pack) for (hash_, lower), pack in keys.items()]


class _Hashes(dict[str, int]):
    """`key_of` the values of a batch: most spans repeat their siblings'."""

    def __missing__(self, value: str) -> int:
        hash_ = self[value] = key_of(value[:MAX_VALUE_LENGTH])
        return hash_
