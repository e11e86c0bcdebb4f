"""By which rules open instances were looked at, and which of them are to be looked at again."""

from __future__ import annotations

from collections.abc import Mapping

from flowtrail_collector.store.sql import Connection

__all__ = ["begin_rules", "flows_with_open", "known_rules", "remember_rules"]

_BEGIN = """INSERT INTO flow_rules SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM sagas WHERE flow = ?)
 ON CONFLICT (flow) DO NOTHING"""
_REMEMBER = "INSERT INTO flow_rules VALUES (?, ?) ON CONFLICT (flow) DO UPDATE SET rules = excluded.rules"


def known_rules(connection: Connection) -> dict[str, str]:
    """See `SagaStore.known_rules`."""
    return dict(connection.execute("SELECT flow, rules FROM flow_rules").fetchall())


def begin_rules(connection: Connection, rules: Mapping[str, str]) -> None:
    """See `SagaStore.begin_rules`."""
    connection.executemany(_BEGIN, [(flow, rule, flow) for flow, rule in sorted(rules.items())])


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
