"""Instances by how their ids begin."""

from __future__ import annotations

from flowtrail_collector.sagas.model.instance import key_of
from flowtrail_collector.sagas.ports import SagaName
from flowtrail_collector.sagas.sql.rows import STUCK
from flowtrail_collector.store.sql import Connection

__all__ = ["begins_with"]

# Behind whatever follows a prefix, in the order of bytes that both databases sort by; no id has this character.
_LAST = "\U0010ffff"
_FIND = f"""SELECT key, subject, flow, CASE WHEN outcome = 'open' AND started_ms IS NULL THEN 'partial' ELSE outcome END,
 started_ms, CASE WHEN outcome = 'open' AND {STUCK} THEN 1 ELSE 0 END FROM sagas WHERE {{column}} >= ? AND {{column}} < ? ORDER BY {{column}} LIMIT ?"""  # noqa: S608 - our own condition


def begins_with(connection: Connection, prefix: str, limit: int) -> list[SagaName]:
    """See `SagaLists.begins_with`; one range of an index for orders, another for flows."""
    found: dict[tuple[str, str], SagaName] = {}
    for column in ("subject", "key"):
        rows = connection.execute(_FIND.format(column=column), (prefix, prefix + _LAST, limit))
        for key, subject, flow, outcome, started_ms, stuck in rows:
            own, _ = key_of(key)
            found.setdefault(
                (flow, key), SagaName(subject or own, own, flow, outcome, started_ms, bool(stuck))
            )
    return sorted(found.values(), key=lambda name: (name.id, name.started_ms or 0))[:limit]
