"""Reads for trails and lists: events, dead letters, sagas."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flowtrail_collector.dead_letters.model.record import DeadLetterFilter, DeadLetterRow, TrailDeadLetter
from flowtrail_collector.dead_letters.model.redrive import Selection
from flowtrail_collector.dead_letters.sql.letters import where_of
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.sagas.model.assessment import Progress, StepProgress, StepState, assess
from flowtrail_collector.sagas.model.flows import Correlate, Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.view import FlowRow, FlowStepRow, SagaFilter, SagaRow, SagaView, StepView
from flowtrail_collector.sagas.owners import OwnerOf, StepOwners
from flowtrail_collector.sagas.sql.lists import SlowAnswer, listed
from flowtrail_collector.sagas.sql.rows import read_sagas
from flowtrail_collector.store.sql import Database

_EVENT = (
    "SELECT event_id, type, topic, partition, position, source, subject, correlation_id, causation_id,"
    " time_ms, timestamp_ms, trace_id, span_id, dead_letter FROM events WHERE "
)
_IN_TIME = " ORDER BY coalesce(timestamp_ms, time_ms, 0), topic, partition, position LIMIT ?"
_DEAD_LETTER = (
    "SELECT topic, partition, position, event_id, type, source_topic, consumer_group, attempts, error_type,"
    " error_message, coalesce(failed_ms, timestamp_ms), state, subject, correlation_id FROM dead_letters"
)
# What SQLite binds in one statement is limited; an order has far fewer ids than this.
_MAX_IDS = 500
# Enough for every type that is published at all, found within hundredths of a second.
_RECENT_EVENTS = 20_000


class SqliteTrailReads:
    """`TrailReader` and `Views` on the collector's database.

    Args:
        database: The collector's database.
        flows: The flows of the flow file.

    Attributes:
        owner_of: Who should do a step, by the flow file or by who published lately.
    """

    def __init__(self, database: Database, flows: Flows) -> None:
        self._database = database
        self._flows = flows
        self.owner_of = StepOwners(flows, self._publishers)
        self._counts = SlowAnswer(
            lambda: self._rows("SELECT flow, outcome, count(*) FROM sagas GROUP BY flow, outcome", [])
        )

    def events_by_id(self, event_id: str, limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_id`."""
        return self._events("event_id = ?", [event_id], limit)

    def events_by_subject(self, subject: str, limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_subject`."""
        return self._events("subject = ?", [subject], limit)

    def events_by_correlation(self, correlation_ids: Sequence[str], limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_correlation`."""
        ids = correlation_ids[:_MAX_IDS]
        return self._events(f"correlation_id IN ({_marks(ids)})", ids, limit) if ids else []

    def events_of_instances(self, keys: Sequence[str], limit: int) -> list[StoredEvent]:
        """Events of saga instances by their keys: correlation ids, or subjects where the flow says so."""
        found = self.events_by_correlation(keys, limit)
        if found or not self._flows.by_other_ids:
            return found
        return self._events(f"subject IN ({_marks(keys[:_MAX_IDS])})", keys[:_MAX_IDS], limit)

    def events_by_trace(self, trace_id: str, limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_trace`."""
        return self._events("trace_id = ?", [trace_id], limit)

    def dead_letters(self, event_ids: Sequence[str], limit: int) -> list[TrailDeadLetter]:
        """See `TrailReader.dead_letters`."""
        found: list[TrailDeadLetter] = []
        for at in range(0, len(event_ids), _MAX_IDS):
            ids = event_ids[at : at + _MAX_IDS]
            where = f" WHERE event_id IN ({_marks(ids)}) LIMIT ?"
            found += [_letter(row).letter for row in self._rows(_DEAD_LETTER + where, [*ids, limit])]
        return found[:limit]

    def sagas(self, correlation_ids: Sequence[str], subjects: Sequence[str], limit: int) -> list[SagaView]:
        """See `TrailReader.sagas`."""
        keys, names = correlation_ids[:_MAX_IDS], subjects[:_MAX_IDS]
        # With an empty list among them, the whole table would be looked through.
        parts = [f"{name} IN ({_marks(ids)})" for name, ids in (("key", keys), ("subject", names)) if ids]
        if not parts:
            return []
        where = " OR ".join(parts)
        with self._database.read() as connection:
            records = read_sagas(connection, where, (*keys, *names), limit)
        return [self._saga(record) for record in records]

    def list_sagas(self, query: SagaFilter) -> list[SagaRow]:
        """See `Views.list_sagas`."""
        with self._database.read() as connection:
            records = listed(connection, query)
        rows = [self._saga_row(record) for record in records]
        letters = self._pending_letters([row.correlation_id or "" for row in rows if row.stuck])
        return [replace(row, dead_letters=tuple(letters.get(row.correlation_id or "", ()))) for row in rows]

    def list_dead_letters(self, query: DeadLetterFilter) -> list[DeadLetterRow]:
        """See `Views.list_dead_letters`."""
        where, values = where_of(
            Selection(
                topic=query.topic,
                source_topic=query.source_topic,
                group=query.group,
                error_type=query.error_type,
                id=query.id,
                flow=query.flow,
                since_ms=query.since_ms,
                until_ms=query.until_ms,
                state=query.state,
            )
        )
        rows = self._rows(
            f"{_DEAD_LETTER} WHERE {where} ORDER BY timestamp_ms DESC, position DESC LIMIT ? OFFSET ?",
            [*values, query.limit, query.offset],
        )
        return [_letter(row) for row in rows]

    def list_flows(self) -> list[FlowRow]:
        """See `Views.list_flows`."""
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        for flow, outcome, number in self._counts():
            counted[flow][outcome] = number
        return [_flow(flow, dict(counted[flow.name])) for flow in self._flows.by_name.values()]

    def _pending_letters(self, correlation_ids: Sequence[str]) -> dict[str, list[TrailDeadLetter]]:
        found: dict[str, list[TrailDeadLetter]] = defaultdict(list)
        for at in range(0, len(correlation_ids), _MAX_IDS):
            ids = correlation_ids[at : at + _MAX_IDS]
            where = f" WHERE correlation_id IN ({_marks(ids)}) AND state = 'pending' LIMIT ?"
            for row in self._rows(_DEAD_LETTER + where, [*ids, 10 * _MAX_IDS]):
                found[row[-1]].append(_letter(row).letter)
        return found

    def _publishers(self) -> list[tuple[str, str, int]]:
        recent = "SELECT type, source FROM events WHERE source IS NOT NULL ORDER BY rowid DESC LIMIT ?"
        statement = f"SELECT type, source, count(*) FROM ({recent}) recent GROUP BY type, source"  # noqa: S608
        return [(row[0], row[1], row[2]) for row in self._rows(statement, [_RECENT_EVENTS])]

    def _rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(statement, tuple(values)).fetchall()
        return rows

    def _events(self, where: str, values: Sequence[Any], limit: int) -> list[StoredEvent]:
        rows = self._rows(_EVENT + where + _IN_TIME, [*values, limit])
        return [StoredEvent(*row) for row in rows]

    def _saga(self, record: SagaRecord) -> SagaView:
        flow = self._flows.by_name.get(record.flow)
        return SagaView(
            flow=record.flow,
            key=record.subject or record.key,
            outcome=record.outcome.value,
            started_ms=record.started_ms,
            ended_ms=record.ended_ms,
            partial=record.partial,
            correlation_id=_correlation_of(flow, record),
            # An instance of a flow that has left the flow file is still listed, only without steps.
            steps=_steps(flow, record, self.owner_of) if flow is not None else (),
        )

    def _saga_row(self, record: SagaRecord) -> SagaRow:
        stuck = bool(record.late) and not record.partial
        saga = self._saga(record)
        return SagaRow(saga, stuck=stuck, correlation_id=saga.correlation_id)


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _correlation_of(flow: Flow | None, record: SagaRecord) -> str | None:
    """An instance's correlation id, where that is what its events have in common."""
    return record.key if flow is None or flow.correlate is Correlate.CORRELATION else None


def _steps(flow: Flow, record: SagaRecord, owner_of: OwnerOf) -> tuple[StepView, ...]:
    progress = assess(flow, record.events)
    return tuple(_step(flow, record, progress, item, owner_of) for item in progress.steps)


def _step(
    flow: Flow, record: SagaRecord, progress: Progress, item: StepProgress, owner_of: OwnerOf
) -> StepView:
    step = item.step
    uncancelled = item.waits and item.state is StepState.FAILED
    return StepView(
        name=step.name,
        state=item.state.value,
        expects=flow.cancels if uncancelled else (*step.done, *step.failed),
        by=None if uncancelled else owner_of(step),
        deadline_ms=item.due_ms if uncancelled else item.deadline_ms,
        late=step.name in record.late,
        since_ms=progress.cancelled_ms if step.name in progress.not_undone else item.waits_since_ms,
        optional=step.optional,
        undo=step.undone if step.name in progress.not_undone else (),
        uncancelled=uncancelled,
    )


def _letter(row: tuple[Any, ...]) -> DeadLetterRow:
    return DeadLetterRow(TrailDeadLetter(*row[:12]), subject=row[12], correlation_id=row[13])


def _flow(flow: Flow, instances: dict[str, int]) -> FlowRow:
    return FlowRow(
        name=flow.name,
        starts=flow.starts,
        completes=flow.completes,
        cancels=flow.cancels,
        within_seconds=_seconds(flow.within_ms),
        steps=tuple(
            FlowStepRow(step.name, step.done, step.failed, step.undone, step.by, _seconds(step.within_ms))
            for step in flow.steps
        ),
        instances=instances,
    )


def _seconds(span_ms: int | None) -> float | None:
    return None if span_ms is None else span_ms / 1000
