"""What the saga metrics show, counted by the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from flowtrail_collector.sagas.model.instance import late_steps
from flowtrail_collector.sagas.ports import SagaFigures
from flowtrail_collector.sagas.sql.rows import NOT_UNDONE, STUCK, names_in
from flowtrail_collector.store.counters import read_counters
from flowtrail_collector.store.sql import Connection

__all__ = ["read_figures"]

# The index `sagas_by_outcome` has all of it, in this order.
_OPEN = f"""SELECT flow, waiting, count(*), count(started_ms),
 count(CASE WHEN {STUCK} THEN 1 END), count(CASE WHEN {NOT_UNDONE} THEN 1 END),
 min(CASE WHEN started_ms IS NOT NULL THEN waiting_since_ms END)
 FROM sagas WHERE outcome = 'open' GROUP BY flow, waiting"""  # noqa: S608 - our own conditions
_LATE = f"""SELECT flow, waiting, breached, count(*) FROM sagas
 WHERE outcome = 'open' AND {STUCK} GROUP BY flow, waiting, breached"""  # noqa: S608
_LATE_GIVEN_UP = f"""SELECT DISTINCT sagas.flow, sagas.waiting, sagas.breached,
 coalesce(dead_letters.consumer_group, ''), sagas.key
 FROM dead_letters JOIN sagas ON sagas.key = dead_letters.correlation_id
 WHERE dead_letters.state = 'pending' AND sagas.outcome = 'open' AND {STUCK}"""  # noqa: S608


def read_figures(connection: Connection) -> SagaFigures:
    """Counters and open instances, consistent with each other."""
    late: Counter[tuple[str, str]] = Counter()
    for flow, waiting, breached, number in connection.execute(_LATE):
        late.update({(flow, step): number for step in _late(waiting, breached)})
    given_up: Counter[tuple[str, str, str]] = Counter()
    for flow, waiting, breached, group, _ in connection.execute(_LATE_GIVEN_UP):
        given_up.update((flow, step, group) for step in _late(waiting, breached))
    opened = connection.execute(_OPEN).fetchall()
    return SagaFigures(
        counts=read_counters(connection, "saga_"),
        open_steps=_open_steps(opened),
        open_by_flow=_open_by_flow(opened),
        late_steps=[(*key, count) for key, count in late.items()],
        late_given_up=[(*key, count) for key, count in given_up.items()],
    )


def _open_steps(rows: Iterable[tuple[Any, ...]]) -> list[tuple[str, str, int, int | None]]:
    steps: dict[tuple[str, str], tuple[int, int | None]] = {}
    for flow, waiting, _, started, _, _, since in rows:
        for step in names_in(waiting) if started else ():
            known, oldest = steps.get((flow, step), (0, None))
            moments = [moment for moment in (since, oldest) if moment is not None]
            steps[flow, step] = (known + started, min(moments, default=None))
    return [(flow, step, count, since) for (flow, step), (count, since) in steps.items()]


def _open_by_flow(rows: Iterable[tuple[Any, ...]]) -> list[tuple[str, str, int]]:
    kinds: Counter[tuple[str, str]] = Counter()
    for flow, _, total, started, stuck, not_undone, _ in rows:
        found = {"open": started, "partial": total - started, "stuck": stuck, "uncompensated": not_undone}
        kinds.update({(flow, kind): count for kind, count in found.items()})
    return [(flow, kind, count) for (flow, kind), count in kinds.items()]


def _late(waiting: str, breached: str) -> tuple[str, ...]:
    return late_steps(names_in(waiting), names_in(breached))
