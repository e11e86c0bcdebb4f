"""Reads for trails and lists: events, dead letters, sagas."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flowtrail_collector.adapters.sql import Database
from flowtrail_collector.adapters.sqlite.redrive_letters import where_of
from flowtrail_collector.adapters.sqlite.sagas import read_sagas
from flowtrail_collector.domain.flows import Flow, Flows
from flowtrail_collector.domain.redrive import Selection
from flowtrail_collector.domain.sagas import assess
from flowtrail_collector.domain.trails_model import TrailDeadLetter, TrailEvent, TrailSaga, TrailStep
from flowtrail_collector.ports.store import SagaRecord
from flowtrail_collector.ports.views import (
    DeadLetterFilter,
    DeadLetterRow,
    FlowRow,
    FlowStepRow,
    SagaFilter,
    SagaRow,
)

_EVENT = (
    "SELECT event_id, type, topic, partition, position, source, subject, correlation_id, causation_id,"
    " time_ms, timestamp_ms, trace_id, span_id, dead_letter FROM events WHERE "
)
_ATTENTION_FIRST = (
    " ORDER BY outcome = 'open' AND (breached != '' OR next_deadline_ms < ?) DESC, outcome = 'open' DESC,"
    " updated_ms DESC"
)
_IN_TIME = " ORDER BY coalesce(timestamp_ms, time_ms, 0), topic, partition, position LIMIT ?"
_DEAD_LETTER = (
    "SELECT topic, partition, position, event_id, type, source_topic, consumer_group, attempts, error_type,"
    " error_message, coalesce(failed_ms, timestamp_ms), state, subject, correlation_id FROM dead_letters"
)
# What SQLite binds in one statement is limited; an order has far fewer ids than this.
_MAX_IDS = 500


class SqliteTrailReads:
    """`TrailReader` and `Views` on the collector's database.

    Args:
        database: The collector's database.
        flows: The flows of the flow file.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self, database: Database, flows: Flows, *, time_seconds: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._flows = flows
        self._time_seconds = time_seconds

    def events_by_id(self, event_id: str, limit: int) -> list[TrailEvent]:
        """See `TrailReader.events_by_id`."""
        return self._events("event_id = ?", [event_id], limit)

    def events_by_subject(self, subject: str, limit: int) -> list[TrailEvent]:
        """See `TrailReader.events_by_subject`."""
        return self._events("subject = ?", [subject], limit)

    def events_by_correlation(self, correlation_ids: Sequence[str], limit: int) -> list[TrailEvent]:
        """See `TrailReader.events_by_correlation`."""
        ids = correlation_ids[:_MAX_IDS]
        return self._events(f"correlation_id IN ({_marks(ids)})", ids, limit) if ids else []

    def events_by_trace(self, trace_id: str, limit: int) -> list[TrailEvent]:
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

    def sagas(self, correlation_ids: Sequence[str], subjects: Sequence[str], limit: int) -> list[TrailSaga]:
        """See `TrailReader.sagas`."""
        keys, names = correlation_ids[:_MAX_IDS], subjects[:_MAX_IDS]
        where = f"key IN ({_marks(keys)}) OR subject IN ({_marks(names)})"
        with self._database.read() as connection:
            records = read_sagas(connection, where, (*keys, *names), limit)
        return [self._saga(record) for record in records]

    def list_sagas(self, query: SagaFilter) -> list[SagaRow]:
        """See `Views.list_sagas`."""
        now_ms = int(self._time_seconds() * 1000)
        where, values = _saga_filter(query, now_ms)
        with self._database.read() as connection:
            records = read_sagas(
                connection, where + _ATTENTION_FIRST, (*values, now_ms), query.limit + query.offset
            )
        rows = [self._saga_row(record, now_ms) for record in records[query.offset :]]
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
        for flow, outcome, number in self._rows(
            "SELECT flow, outcome, count(*) FROM sagas GROUP BY flow, outcome", []
        ):
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

    def _rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(statement, tuple(values)).fetchall()
        return rows

    def _events(self, where: str, values: Sequence[Any], limit: int) -> list[TrailEvent]:
        rows = self._rows(_EVENT + where + _IN_TIME, [*values, limit])
        return [TrailEvent(*row) for row in rows]

    def _saga(self, record: SagaRecord) -> TrailSaga:
        flow = self._flows.by_name.get(record.flow)
        return TrailSaga(
            flow=record.flow,
            key=record.subject or record.key,
            outcome=record.outcome.value,
            started_ms=record.started_ms,
            ended_ms=record.ended_ms,
            partial=record.partial,
            correlation_id=record.key,
            # An instance of a flow that has left the flow file is still listed, only without steps.
            steps=_steps(flow, record) if flow is not None else (),
        )

    def _saga_row(self, record: SagaRecord, now_ms: int) -> SagaRow:
        saga = self._saga(record)
        late = any(
            step.state == "open" and step.deadline_ms is not None and step.deadline_ms < now_ms
            for step in saga.steps
        )
        stuck = saga.outcome == "open" and (bool(record.breached) or late)
        return SagaRow(saga, stuck=stuck, correlation_id=record.key)


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _saga_filter(query: SagaFilter, now_ms: int) -> tuple[str, list[Any]]:
    parts: list[str] = ["1 = 1"]
    values: list[Any] = []
    for column, value in (("flow", query.flow), ("outcome", query.outcome)):
        if value is not None:
            parts.append(f"{column} = ?")
            values.append(value)
    if query.step is not None:
        # `waiting` joins the names of open steps by commas.
        parts.append("outcome = 'open' AND instr(',' || waiting || ',', ',' || ? || ',') > 0")
        values.append(query.step)
    if query.stuck:
        parts.append("outcome = 'open' AND (breached != '' OR next_deadline_ms < ?)")
        values.append(now_ms)
    return " AND ".join(parts), values


def _steps(flow: Flow, record: SagaRecord) -> tuple[TrailStep, ...]:
    return tuple(
        TrailStep(
            name=item.step.name,
            state=item.state.value,
            expects=(*item.step.done, *item.step.failed),
            by=item.step.by,
            deadline_ms=item.deadline_ms,
        )
        for item in assess(flow, record.events).steps
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
