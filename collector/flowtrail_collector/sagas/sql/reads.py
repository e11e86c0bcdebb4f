"""Reading instances from the store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.sagas.model.flows import Flows, OwnerOf
from flowtrail_collector.sagas.model.instance import SagaRecord, earlier_key
from flowtrail_collector.sagas.model.recurrence import MOST_EARLIER
from flowtrail_collector.sagas.model.view import FlowRow, SagaFilter, SagaRow, SagaView, flow_row, saga_view
from flowtrail_collector.sagas.sql.pages import SlowAnswer, listed
from flowtrail_collector.sagas.sql.rows import read_sagas
from flowtrail_collector.store.sql import MAX_IDS, Database, Reads, marks

__all__ = ["SagaReads"]


def _earlier_keys(records: Iterable[SagaRecord]) -> list[str]:
    """What the last instances before these are kept under."""
    keys: dict[str, None] = {}
    for record in records:
        for number in range(max(1, record.instance - MOST_EARLIER), record.instance):
            keys[earlier_key(record.key, number)] = None
    return list(keys)[-MAX_IDS:]


class SagaReads(Reads):
    """`SagaLists` on the collector's database, and instances by id.

    Args:
        database: The collector's database.
        flows: The flows of the flow file.
        owner_of: Who should do a step.
        pending_letters: Finds the pending dead letters of flows, by correlation id.
    """

    def __init__(
        self,
        database: Database,
        flows: Flows,
        *,
        owner_of: OwnerOf,
        pending_letters: Callable[[Sequence[str]], Mapping[str, Sequence[DeadLetter]]],
    ) -> None:
        super().__init__(database)
        self._flows = flows
        self.owner_of = owner_of
        self._pending_letters_of = pending_letters
        self._counts = SlowAnswer(
            lambda: self._rows("SELECT flow, outcome, count(*) FROM sagas GROUP BY flow, outcome")
        )

    def sagas(self, correlation_ids: Sequence[str], subjects: Sequence[str], limit: int) -> list[SagaView]:
        """See `TrailReader.sagas`."""
        keys, names = correlation_ids[:MAX_IDS], subjects[:MAX_IDS]
        # With an empty list among them, the whole table would be looked through.
        parts = [f"{name} IN ({marks(ids)})" for name, ids in (("key", keys), ("subject", names)) if ids]
        if not parts:
            return []
        where = " OR ".join(parts)
        with self._database.read() as connection:
            records = read_sagas(connection, where, (*keys, *names), limit)
            if more := _earlier_keys(records):
                where = f"key IN ({marks(more)})"
                known = {(record.flow, record.row_key) for record in records}
                found = read_sagas(connection, where, more, limit)
                records += [record for record in found if (record.flow, record.row_key) not in known]
        return [self._saga(record) for record in records[:limit]]

    def list_sagas(self, query: SagaFilter) -> list[SagaRow]:
        """See `SagaLists.list_sagas`."""
        with self._database.read() as connection:
            records = listed(connection, query)
        rows = [self._saga_row(record) for record in records]
        letters = self._pending_letters_of([row.correlation_id or "" for row in rows if row.stuck])
        return [replace(row, dead_letters=tuple(letters.get(row.correlation_id or "", ()))) for row in rows]

    def list_flows(self) -> list[FlowRow]:
        """See `SagaLists.list_flows`."""
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        for flow, outcome, number in self._counts():
            counted[flow][outcome] = number
        return [flow_row(flow, dict(counted[flow.name])) for flow in self._flows.by_name.values()]

    def _saga(self, record: SagaRecord) -> SagaView:
        return saga_view(self._flows.by_name.get(record.flow), record, self.owner_of)

    def _saga_row(self, record: SagaRecord) -> SagaRow:
        saga = self._saga(record)
        return SagaRow(saga, stuck=record.stuck, correlation_id=saga.correlation_id)
