"""Which stored events were counted for which flow as they were read, and reading those that were not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flowtrail_collector.events.model import EventRow
from flowtrail_collector.sagas.model.followed import Followed, Rows
from flowtrail_collector.store.packs.reading import packs_at, packs_between
from flowtrail_collector.store.sql import Connection

__all__ = ["first_row_since", "follow", "page_of_events", "read_followed", "remember_folded"]

_BEGIN = "INSERT INTO followed_types VALUES (?, ?, ?, NULL) ON CONFLICT (flow, type, first_row) DO NOTHING"
_END = "UPDATE followed_types SET until_row = ? WHERE flow = ? AND type = ? AND until_row IS NULL"
_SINCE = "SELECT min(first_row) FROM event_packs WHERE newest_ms >= ?"
# What is open to the end is so already, and covers it.
_FOLDED = """INSERT INTO followed_types VALUES (?, ?, ?, ?) ON CONFLICT (flow, type, first_row)
 DO UPDATE SET until_row = excluded.until_row WHERE followed_types.until_row < excluded.until_row"""


def read_followed(connection: Connection) -> Followed:
    """See `FoldStore.followed`."""
    found: dict[tuple[str, str], list[Rows]] = {}
    for flow, kind, first, until in connection.execute("SELECT * FROM followed_types").fetchall():
        found.setdefault((flow, kind), []).append((first, until))
    return Followed(found)


def follow(connection: Connection, types_of: Mapping[str, Iterable[str]], newest_row: int) -> None:
    """See `SagaStore.follow`."""
    followed = read_followed(connection).rows
    known = {flow for (flow,) in connection.execute("SELECT flow FROM flow_rules").fetchall()}
    named = {(flow, kind) for flow, kinds in types_of.items() for kind in kinds}
    going_on = {pair for pair, rows in followed.items() if any(until is None for _, until in rows)}
    # A store of the version before: what was followed then was so from its beginning.
    anew = {flow for flow, _ in followed}
    begun = [
        (flow, kind, 0 if flow in known and flow not in anew else newest_row + 1)
        for flow, kind in sorted(named - going_on)
    ]
    connection.executemany(_BEGIN, begun)
    connection.executemany(_END, [(newest_row + 1, *pair) for pair in sorted(going_on - named)])


def first_row_since(connection: Connection, since_ms: int) -> int | None:
    """See `FoldStore.first_row_since`."""
    first: int | None = connection.execute(_SINCE, (since_ms,)).fetchone()[0]
    if first is None:
        return None
    (pack,) = packs_at(connection, [first])
    due = zip(pack.numbers, pack.moments(), strict=True)
    return next((number for number, moment in due if moment >= since_ms), first)


def page_of_events(
    connection: Connection, types: Sequence[str], rows: tuple[int, int], limit: int
) -> list[tuple[int, EventRow]]:
    """See `FoldStore.events`."""
    first, until = rows
    wanted = frozenset(types)
    found: list[tuple[int, EventRow]] = []
    for pack in packs_between(connection, first, until):
        if wanted.isdisjoint(pack.column("type")):
            continue
        for number, event in zip(pack.numbers, map(EventRow._make, pack.rows()), strict=True):
            if first <= number < until and event.type in wanted and not event.dead_letter:
                found.append((number, event))
                if len(found) == limit:
                    return found
    return found


def remember_folded(connection: Connection, pairs: Iterable[tuple[str, str]], rows: tuple[int, int]) -> None:
    """See `FoldUnit.remember_folded`."""
    connection.executemany(_FOLDED, [(*pair, *rows) for pair in sorted(pairs)])
