"""Reading instances from the store."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.sagas.forecasts import Forecasts
from flowtrail_collector.sagas.model.assessment import Outcome, Progress
from flowtrail_collector.sagas.model.causes import LATE, Shape, StuckCause, merged
from flowtrail_collector.sagas.model.children import open_children
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.model.flows import Flows, OwnerOf
from flowtrail_collector.sagas.model.forecast import Forecast
from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord, earlier_key
from flowtrail_collector.sagas.model.recurrence import MOST_EARLIER
from flowtrail_collector.sagas.model.view import (
    ChildView,
    FlowRow,
    ForecastOf,
    SagaRow,
    SagaView,
    flow_row,
    saga_view,
)
from flowtrail_collector.sagas.ports import EndedLately, SagaName
from flowtrail_collector.sagas.sql.causes import cause_condition, read_shapes
from flowtrail_collector.sagas.sql.histories import read_histories
from flowtrail_collector.sagas.sql.lately import ended_lately, waited_for
from flowtrail_collector.sagas.sql.named import begins_with
from flowtrail_collector.sagas.sql.pages import SlowAnswer, listed
from flowtrail_collector.sagas.sql.predicted import count_predicted, open_waiting, predicted_condition
from flowtrail_collector.sagas.sql.rows import STUCK, load, read_sagas
from flowtrail_collector.store.sql import MAX_IDS, Connection, Database, Reads, marks

__all__ = ["SagaReads"]

_COUNTS = """SELECT flow, CASE WHEN outcome = 'open' AND started_ms IS NULL THEN 'partial' ELSE outcome END, count(*)
 FROM sagas GROUP BY 1, 2"""
_STUCK = f"SELECT flow, count(*) FROM sagas WHERE outcome = 'open' AND {STUCK} GROUP BY flow"  # noqa: S608


_Children = dict[SagaKey, dict[str, tuple[ChildView, ...]]]
_MOST_CHILDREN = 20


def _first(children: Iterable[ChildView]) -> tuple[ChildView, ...]:
    """Those that need attention first: stuck ones, those that ended otherwise than well, then the rest."""
    return tuple(sorted(children, key=lambda child: (not child.stuck, child.saga.outcome == "open")))


def _narrowed(query: SagaFilter, cause: StuckCause) -> SagaFilter:
    """The same filter, of instances that stand as those of a cause do."""
    if cause.state == LATE:
        return replace(query, stuck=True)
    return replace(query, outcome=query.outcome or Outcome.TIMED_OUT.value)


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
        time_seconds: Wall clock, seconds since the epoch.

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
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(database)
        self._flows = flows
        self.owner_of = owner_of
        self._pending_letters_of = pending_letters
        self.forecasts = Forecasts(flows, self._histories)
        self._counts = SlowAnswer(lambda: self._rows(_COUNTS))
        self._stuck = SlowAnswer(lambda: self._rows(_STUCK))
        self._causes = SlowAnswer(self._read_causes)
        self._waited_for = SlowAnswer(self._read_waited_for)
        self._time_seconds = time_seconds

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
            children = self._children(connection, records)
        return self._sagas(records[:limit], children)

    def list_sagas(self, query: SagaFilter) -> list[SagaRow]:
        """See `SagaLists.list_sagas`."""
        only, values = "", list[object]()
        if query.cause is not None:
            cause = next((each for each in self._causes() if each.cause == query.cause), None)
            if cause is None:
                return []
            query = _narrowed(query, cause)
            only, values = cause_condition(cause, self._flows, self.owner_of, self._now_ms())
        with self._database.read() as connection:
            more, more_values = self._predicted(connection, query)
            placed = listed(connection, query, only + more, [*values, *more_values])
            records = [record for _, record in placed]
            children = self._children(connection, records)
        sagas = zip(placed, self._sagas(records, children), strict=True)
        rows = [
            SagaRow(saga, record.stuck, saga.correlation_id, place=place) for (place, record), saga in sagas
        ]
        letters = self._pending_letters_of([row.correlation_id or "" for row in rows if row.stuck])
        return [replace(row, dead_letters=tuple(letters.get(row.correlation_id or "", ()))) for row in rows]

    def stuck_causes(self) -> list[StuckCause]:
        """See `SagaLists.stuck_causes`."""
        return self._causes()

    def stuck_counts(self) -> dict[str, int]:
        """See `SagaLists.stuck_counts`."""
        return dict(self._stuck())

    def ended_lately(self, now_ms: int, span_ms: int) -> list[EndedLately]:
        """See `Lately.ended_lately`."""
        with self._database.read() as connection:
            return ended_lately(connection, now_ms, span_ms)

    def waited_for(self) -> dict[str, int]:
        """See `Lately.waited_for`."""
        return self._waited_for()

    def known_flows(self) -> dict[str, tuple[str, ...] | None]:
        """See `SagaLists.known_flows`."""
        known: dict[str, tuple[str, ...] | None] = {row[0]: None for row in self._counts()}
        steps = {flow.name: tuple(step.name for step in flow.steps) for flow in self._flows.by_name.values()}
        return known | steps

    def list_flows(self) -> list[FlowRow]:
        """See `SagaLists.list_flows`."""
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        for flow, state, number in self._counts():
            counted[flow][state] = number
        return [flow_row(flow, dict(counted[flow.name])) for flow in self._flows.by_name.values()]

    def begins_with(self, prefix: str, limit: int) -> list[SagaName]:
        """See `SagaLists.begins_with`."""
        with self._database.read() as connection:
            return begins_with(connection, prefix, limit)

    def _children(self, connection: Connection, records: Iterable[SagaRecord]) -> _Children:
        """What instances wait for of other flows, for those that wait for any."""
        wanted: dict[SagaKey, dict[str, list[SagaKey]]] = {}
        for record in records:
            flow = self._flows.by_name.get(record.flow)
            if flow is not None and flow.depth and record.outcome in (Outcome.OPEN, Outcome.TIMED_OUT):
                steps = {step.name: step.children.flow for step in flow.steps if step.children is not None}
                wanted[SagaKey(record.flow, record.row_key)] = {
                    name: [SagaKey(steps[name], child) for child in children[:_MOST_CHILDREN]]
                    for name, children in open_children(flow, record).items()
                }
        if not wanted:
            return {}
        keys = [key for steps in wanted.values() for children in steps.values() for key in children]
        found = load(connection, dict.fromkeys(keys))
        below = self._children(connection, found.values())
        letters = self._pending_letters_of([saga.key for saga in found.values() if saga.stuck])
        views = {
            key: ChildView(self._saga(saga, below), saga.stuck, tuple(letters.get(saga.key, ())))
            for key, saga in found.items()
        }
        return {
            key: {
                name: _first(views[child] for child in children if child in views)
                for name, children in steps.items()
            }
            for key, steps in wanted.items()
        }

    def _read_causes(self) -> list[StuckCause]:
        with self._database.read() as connection:
            shapes = read_shapes(connection, self._flows, self.owner_of, self._now_ms())
            found = load(connection, dict.fromkeys(SagaKey(shape.flow, shape.key) for shape in shapes))
            children = self._children(connection, found.values())
        letters = self._pending_letters_of([shape.key for shape in shapes if shape.letter is not None])
        views = dict(zip(found, self._sagas(list(found.values()), children), strict=True))

        def example(shape: Shape) -> SagaRow:
            saga = views[SagaKey(shape.flow, shape.key)]
            own = [each for each in letters.get(shape.key, ()) if (each.cause or "") == shape.letter]
            return SagaRow(saga, shape.state == LATE, saga.correlation_id, tuple(own))

        return merged((shape, example(shape)) for shape in shapes)

    def _read_waited_for(self) -> dict[str, int]:
        with self._database.read() as connection:
            return waited_for(connection, self._flows, self.owner_of)

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

    def _sagas(self, records: Sequence[SagaRecord], children: _Children) -> list[SagaView]:
        now_ms = self._watermark_ms() if any(not record.ended_ms for record in records) else None

        def forecast_of(record: SagaRecord, progress: Progress) -> Forecast | None:
            return self.forecasts.forecast(record, progress, now_ms)

        return [self._saga(record, children, forecast_of) for record in records]

    def _saga(
        self, record: SagaRecord, children: _Children, forecast_of: ForecastOf = lambda record, progress: None
    ) -> SagaView:
        view = saga_view(self._flows.by_name.get(record.flow), record, self.owner_of, forecast_of)
        own = children.get(SagaKey(record.flow, record.row_key))
        if own is None:
            return view
        steps = tuple(replace(step, children=own.get(step.name, ())) for step in view.steps)
        return replace(view, steps=steps)

    def _histories(self, flow: str, shape: str) -> list[History]:
        with self._database.read() as connection:
            return read_histories(connection, flow, shape)

    def _now_ms(self) -> int:
        return int(self._time_seconds() * 1000)

    def _watermark_ms(self) -> int | None:
        ((least,),) = self._rows("SELECT min(watermark_ms) FROM positions")
        return None if least is None else int(least)
