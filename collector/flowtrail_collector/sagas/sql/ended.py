"""Instances that ended, to be kept or forgotten by how they did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord, earlier_key
from flowtrail_collector.sagas.sql.rows import load, read_sagas
from flowtrail_collector.store.sql import MAX_IDS, Connection, marks

__all__ = ["ended", "forget", "of_keys", "of_subjects"]

# The first part is what an index serves.
_ENDED = """updated_ms >= ? AND (updated_ms, flow, key) > (?, ?, ?) AND updated_ms < ? AND outcome || '' = ?
 ORDER BY updated_ms, flow, key"""
_FORGET = "DELETE FROM sagas WHERE flow = ? AND key = ? AND updated_ms = ? AND outcome = ?"


def ended(
    connection: Connection, outcome: str, after: tuple[int, str, str], before_ms: int, limit: int
) -> list[SagaRecord]:
    """Instances that ended so, the next ones in the order of their newest events, behind a place."""
    return read_sagas(connection, _ENDED, (after[0], *after, before_ms, outcome), limit)


def of_keys(connection: Connection, keys: Collection[str]) -> list[SagaRecord]:
    """All instances under these keys, of whichever flow, those that others follow included."""
    found: list[SagaRecord] = []
    for part in _portions(keys):
        found += read_sagas(connection, f"key IN ({marks(part)})", part, 2**31)
    earlier = {
        SagaKey(saga.flow, earlier_key(saga.key, number))
        for saga in found
        for number in range(1, saga.instance)
    }
    return [*found, *load(connection, earlier).values()]


def of_subjects(
    connection: Connection, subjects: Collection[str], flows: Collection[str]
) -> list[SagaRecord]:
    """Instances of some flows with these subjects."""
    found: list[SagaRecord] = []
    for part in _portions(subjects):
        where = f"subject IN ({marks(part)}) AND flow IN ({marks(list(flows))})"
        found += read_sagas(connection, where, (*part, *flows), 2**31)
    return found


def forget(connection: Connection, sagas: Iterable[SagaRecord]) -> bool:
    """Forget instances; False if one of them is another one by now."""
    for saga in sagas:
        values = (saga.flow, saga.row_key, saga.updated_ms, saga.outcome.value)
        if connection.execute(_FORGET, values).rowcount != 1:
            return False
    return True


def _portions(values: Collection[str]) -> Iterable[Sequence[str]]:
    wanted = sorted(values)
    return (wanted[start : start + MAX_IDS] for start in range(0, len(wanted), MAX_IDS))
