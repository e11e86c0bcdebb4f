"""What became of instances lately, and how many wait for whom."""

from __future__ import annotations

from collections import Counter

from flowtrail_collector.sagas.model.flows import Flows, OwnerOf
from flowtrail_collector.sagas.ports import EndedLately
from flowtrail_collector.sagas.sql.rows import names_in
from flowtrail_collector.store.sql import Connection

__all__ = ["ENDED_BADLY", "ended_lately", "waited_for"]

ENDED_BADLY = "sagas.outcome != 'open' AND sagas.outcome != 'completed' AND sagas.outcome != 'retired'"
"""In the words of the index of such instances."""
# Expressions instead of the columns keep SQLite from the index that has all outcomes in their order.
_ENDED = f"""SELECT flow || '', outcome || '', sum(CASE WHEN ended_ms >= ? THEN 1 ELSE 0 END),
 sum(CASE WHEN ended_ms < ? THEN 1 ELSE 0 END), min(CASE WHEN ended_ms >= ? THEN ended_ms END),
 max(CASE WHEN ended_ms >= ? THEN coalesce(subject, key) END)
 FROM sagas WHERE {ENDED_BADLY} AND ended_ms >= ? GROUP BY 1, 2 ORDER BY 1, 2"""  # noqa: S608
_WAITING = """SELECT flow, waiting, count(*) FROM sagas
 WHERE outcome = 'open' AND started_ms IS NOT NULL AND waiting != '' GROUP BY flow, waiting"""


def ended_lately(connection: Connection, now_ms: int, span_ms: int) -> list[EndedLately]:
    """See `Lately.ended_lately`."""
    since, before = now_ms - span_ms, now_ms - 2 * span_ms
    rows = connection.execute(_ENDED, (since, since, since, since, before))
    return [EndedLately(*row) for row in rows.fetchall() if row[2]]


def waited_for(connection: Connection, flows: Flows, owner_of: OwnerOf) -> dict[str, int]:
    """How many open instances wait for each group, each counted once for a group whatever it waits for."""
    found: Counter[str] = Counter()
    for name, waiting, number in connection.execute(_WAITING).fetchall():
        flow = flows.by_name.get(name)
        names = names_in(waiting) if flow is not None else ()
        steps = [step for step in (flow.steps if flow is not None else ()) if step.name in names]
        found.update(dict.fromkeys({owner for step in steps if (owner := owner_of(step))}, number))
    return dict(found)
