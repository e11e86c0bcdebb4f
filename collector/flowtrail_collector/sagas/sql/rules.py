"""By which rules open instances were looked at, and which of them are to be looked at again."""

from __future__ import annotations

from flowtrail_collector.sagas.model.instance import SagaKey
from flowtrail_collector.store.sql import Connection

__all__ = ["flows_with_open", "known_rules", "open_keys", "remember_rules"]

_REMEMBER = "INSERT INTO flow_rules VALUES (?, ?) ON CONFLICT (flow) DO UPDATE SET rules = excluded.rules"
# An expression instead of the column keeps SQLite to the primary key: no page of keys needs a sort.
_OPEN_KEYS = """SELECT flow, key FROM sagas WHERE flow = ? AND key > ? AND outcome || '' IN ('open', 'retired')
 ORDER BY flow, key LIMIT ?"""


def known_rules(connection: Connection) -> dict[str, str]:
    """See `SagaStore.known_rules`."""
    return dict(connection.execute("SELECT flow, rules FROM flow_rules").fetchall())


def remember_rules(connection: Connection, flow: str, rules: str | None) -> None:
    """See `SagaUnit.remember_rules`."""
    if rules is None:
        connection.execute("DELETE FROM flow_rules WHERE flow = ?", (flow,))
    else:
        connection.execute(_REMEMBER, (flow, rules))


def flows_with_open(connection: Connection) -> list[str]:
    """See `SagaStore.flows_with_open_sagas`."""
    rows = connection.execute("SELECT DISTINCT flow FROM sagas WHERE outcome = 'open'").fetchall()
    return [flow for (flow,) in rows]


def open_keys(connection: Connection, flow: str, after: str, limit: int) -> list[SagaKey]:
    """See `SagaStore.open_keys`."""
    return [SagaKey(*row) for row in connection.execute(_OPEN_KEYS, (flow, after, limit)).fetchall()]
