"""Adds events to kept instances, and lets instances rest whose flow is gone."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Protocol

from flowtrail_collector.events.identity import Hashes
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import Mark, Outcome, add_event
from flowtrail_collector.sagas.model.fields import Values
from flowtrail_collector.sagas.model.flows import CHILD
from flowtrail_collector.sagas.model.instance import SagaRecord

__all__ = ["TakeIn", "count_copy", "intake_by", "reopen", "retire", "take_in", "time_of"]

_RETIRED = Outcome.RETIRED  # asked of its class with every event, it would cost six times as much


class TakeIn(Protocol):
    """See `take_in`."""

    def __call__(
        self,
        saga: SagaRecord,
        event: EventRow,
        hashes: Hashes,
        counts: Counter[CountKey],
        now_ms: int,
        values: Values = (),
        /,
    ) -> None: ...


def intake_by(speedups: ModuleType | None) -> TakeIn:
    """What adds events to instances; see `flowtrail_collector.speedups`."""
    if speedups is None:
        return take_in
    compiled: TakeIn = speedups.Intake(EventRow, _RETIRED, take_in).take_in
    return compiled


def take_in(
    saga: SagaRecord,
    event: EventRow,
    hashes: Hashes,
    counts: Counter[CountKey],
    now_ms: int,
    values: Values = (),
) -> None:
    """Add an event to an instance; count one that was there, or comes after its effect.

    Args:
        saga: The instance; changed.
        event: One of its events.
        hashes: Of the batch.
        counts: Added to.
        now_ms: By this machine's clock.
        values: What the flow wants to know of its payload.
    """
    if saga.outcome is _RETIRED:
        reopen(saga)
    own = hashes[event.event_id]
    cause = hashes[event.causation_id] if event.causation_id else 0
    moment = time_of(event, now_ms)
    events, effect_known = saga.events, False
    for mark in events.values():
        if mark[2] == own:
            effect_known = True
            break
    added: Mark = (moment, event.type, cause, values) if values else (moment, event.type, cause)
    if not add_event(events, hashes.of_event(event), added):
        count_copy(saga, values, counts)
        return
    if effect_known:
        counts["saga_out_of_order_events", (saga.flow,)] += 1
    if moment > saga.updated_ms:
        saga.updated_ms = moment
    saga.subject = saga.subject or event.subject


def count_copy(saga: SagaRecord, values: Values, counts: Counter[CountKey]) -> None:
    """Count an event that was there; what a parent is told of a child's start is that one's event, counted there."""
    if not values or values[0][0] != CHILD.name:
        counts["saga_duplicate_events", (saga.flow,)] += 1


def retire(saga: SagaRecord, watermark_ms: int) -> None:
    """Let an open instance rest whose flow has left the flow file."""
    if saga.outcome is Outcome.OPEN:
        saga.outcome, saga.ended_ms = Outcome.RETIRED, watermark_ms
        saga.next_deadline_ms = saga.waiting_since_ms = None
        saga.waiting = ()


def reopen(saga: SagaRecord) -> None:
    """Take up an instance again that was retired, as its flow is back."""
    if saga.outcome is _RETIRED:
        saga.outcome, saga.ended_ms = Outcome.OPEN, None


def time_of(event: EventRow, now_ms: int) -> int:
    """The time of an event that counts; one from the future would keep its instance open until then."""
    moment = event.timestamp_ms
    return moment if moment and moment < now_ms else now_ms
