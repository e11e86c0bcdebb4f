"""Instances by how their ids begin."""

from __future__ import annotations

from flowtrail_collector.sagas.model.instance import key_of
from flowtrail_collector.sagas.model.view import SagaName
from flowtrail_collector.store.sql import Connection

__all__ = ["begins_with"]

# Behind whatever follows a prefix, in the order of bytes that both databases sort by; no id has this character.
_LAST = "\U0010ffff"
_FIND = """SELECT key, subject, flow, CASE WHEN outcome = 'open' AND started_ms IS NULL THEN 'partial' ELSE outcome END,
 started_ms FROM sagas WHERE {column} >= ? AND {column} < ? ORDER BY {column} LIMIT ?"""


def begins_with(connection: Connection, prefix: str, limit: int) -> list[SagaName]:
    """See `SagaLists.begins_with`; one range of an index for orders, another for flows."""
    found: dict[tuple[str, str], SagaName] = {}
    for column in ("subject", "key"):
        rows = connection.execute(_FIND.format(column=column), (prefix, prefix + _LAST, limit))
        for key, subject, flow, outcome, started_ms in rows:
            own, _ = key_of(key)
            found.setdefault((flow, key), SagaName(subject or own, own, flow, outcome, started_ms))
    return sorted(found.values(), key=lambda name: (name.id, name.started_ms or 0))[:limit]
