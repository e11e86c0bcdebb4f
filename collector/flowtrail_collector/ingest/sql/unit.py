"""What a unit of work does alike on whichever database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.shapes import Looked, OpenSagas
from flowtrail_collector.sagas.sql import glances
from flowtrail_collector.sagas.sql.followed import remember_folded
from flowtrail_collector.sagas.sql.histories import keep_histories
from flowtrail_collector.sagas.sql.rows import first_due_ms
from flowtrail_collector.sagas.sql.rules import remember_rules
from flowtrail_collector.store.sql import Connection

__all__ = ["SqlUnit"]


class SqlUnit:
    """The portable part of a unit of work, within one transaction."""

    _glances = glances.GLANCES

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def first_due_ms(self, until_ms: int, besides: Iterable[str]) -> int | None:
        """See `SagaUnit.first_due_ms`."""
        return first_due_ms(self._connection, until_ms, besides)

    def open_sagas(self, flow: str, after: str, limit: int) -> tuple[list[OpenSagas], str | None]:
        """See `SagaUnit.open_sagas`."""
        rows = self._connection.execute(self._glances, (flow, after, limit)).fetchall()
        return glances.glances_of(rows), rows[-1][0] if rows else None

    def note_open(self, flow: str, looked: Looked) -> None:
        """See `SagaUnit.note_open`."""
        glances.note(self._connection, flow, looked)

    def retire_open(self, flow: str, keys: tuple[str, str], watermark_ms: int) -> None:
        """See `SagaUnit.retire_open`."""
        glances.retire(self._connection, flow, keys, watermark_ms)

    def remember_folded(self, pairs: Iterable[tuple[str, str]], rows: tuple[int, int]) -> None:
        """See `FoldUnit.remember_folded`."""
        remember_folded(self._connection, pairs, rows)

    def remember_rules(self, flow: str, rules: str | None) -> None:
        """See `SagaUnit.remember_rules`."""
        remember_rules(self._connection, flow, rules)

    def keep_histories(self, flow: str, shape: str, histories: Sequence[History]) -> int:
        """See `SagaUnit.keep_histories`."""
        return keep_histories(self._connection, flow, shape, histories)
