"""Reading instances from the store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.sagas.forecasts import Forecasts
from flowtrail_collector.sagas.model.assessment import Progress
from flowtrail_collector.sagas.model.flows import Flows, OwnerOf
from flowtrail_collector.sagas.model.forecast import Forecast
from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.view import FlowRow, SagaFilter, SagaRow, SagaView, flow_row, saga_view
from flowtrail_collector.sagas.sql.histories import read_histories
from flowtrail_collector.sagas.sql.pages import SlowAnswer, listed
from flowtrail_collector.sagas.sql.predicted import count_predicted, open_waiting, predicted_condition
from flowtrail_collector.sagas.sql.rows import read_sagas
from flowtrail_collector.store.sql import MAX_IDS, Connection, Database, Reads, marks

__all__ = ["SagaReads"]


class SagaReads(Reads):
    """`SagaLists` on the collector's database, and instances by id.

    Args:
        database: The collector's database.
        flows: The flows of the flow file.
        owner_of: Who should do a step.
        pending_letters: Finds the pending dead letters of flows, by correlation id.

    Attributes:
        forecasts: What comes next in open instances.
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
        self.forecasts = Forecasts(flows, self._histories)
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
        return self._sagas(records)

    def list_sagas(self, query: SagaFilter) -> list[SagaRow]:
        """See `SagaLists.list_sagas`."""
        with self._database.read() as connection:
            records = listed(connection, query, *self._predicted(connection, query))
        sagas = zip(records, self._sagas(records), strict=True)
        rows = [SagaRow(saga, record.stuck, saga.correlation_id) for record, saga in sagas]
        letters = self._pending_letters_of([row.correlation_id or "" for row in rows if row.stuck])
        return [replace(row, dead_letters=tuple(letters.get(row.correlation_id or "", ()))) for row in rows]

    def list_flows(self) -> list[FlowRow]:
        """See `SagaLists.list_flows`."""
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        for flow, outcome, number in self._counts():
            counted[flow][outcome] = number
        return [flow_row(flow, dict(counted[flow.name])) for flow in self._flows.by_name.values()]

    def predicted(self) -> dict[str, int]:
        """How many open instances of each flow will probably miss a deadline."""
        now_ms = self._watermark_ms()
        if now_ms is None:
            return {}
        with self._database.read() as connection:
            bands = self.forecasts.bands(open_waiting(connection))
            return count_predicted(connection, self._flows, bands, now_ms)

    def _predicted(self, connection: Connection, query: SagaFilter) -> tuple[str, list[object]]:
        if not query.predicted:
            return "", []
        bands = self.forecasts.bands(open_waiting(connection))
        where, values = predicted_condition(self._flows, bands, self._watermark_ms() or 0)
        return f" AND {where}", values

    def _sagas(self, records: Sequence[SagaRecord]) -> list[SagaView]:
        now_ms = self._watermark_ms() if any(not record.ended_ms for record in records) else None

        def forecast_of(record: SagaRecord, progress: Progress) -> Forecast | None:
            return self.forecasts.forecast(record, progress, now_ms)

        by_name = self._flows.by_name
        return [saga_view(by_name.get(record.flow), record, self.owner_of, forecast_of) for record in records]

    def _histories(self, flow: str, shape: str) -> list[History]:
        with self._database.read() as connection:
            return read_histories(connection, flow, shape)

    def _watermark_ms(self) -> int | None:
        ((least,),) = self._rows("SELECT min(watermark_ms) FROM positions")
        return None if least is None else int(least)
