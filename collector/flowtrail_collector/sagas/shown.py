"""How a kept instance is shown: its steps, what each waits for, and who should move it."""

from __future__ import annotations

from flowtrail_collector.sagas.model.assessment import Progress, StepProgress, StepState, assess
from flowtrail_collector.sagas.model.flows import Correlate, Flow
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.view import FlowRow, FlowStepRow, SagaView, StepView
from flowtrail_collector.sagas.owners import OwnerOf

__all__ = ["flow_row", "saga_view"]


def saga_view(flow: Flow | None, record: SagaRecord, owner_of: OwnerOf) -> SagaView:
    """An instance as lists and trails show it.

    Args:
        flow: Its flow; None if that has left the flow file: then there are no steps to tell.
        record: The instance.
        owner_of: Who should do a step.
    """
    return SagaView(
        flow=record.flow,
        key=record.subject or record.key,
        outcome=record.outcome.value,
        started_ms=record.started_ms,
        ended_ms=record.ended_ms,
        partial=record.partial,
        correlation_id=_correlation_of(flow, record),
        steps=_steps(flow, record, owner_of) if flow is not None else (),
    )


def flow_row(flow: Flow, instances: dict[str, int]) -> FlowRow:
    """A flow with how many instances are in which state."""
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


def _seconds(span_ms: int | None) -> float | None:
    return None if span_ms is None else span_ms / 1000
