"""Writes what was learned as a flow file whose comments say what each guess rests on."""

from __future__ import annotations

from collections.abc import Iterator

from flowtrail_collector.sagas.learning.flows import FEW, Learned, LearnedFlow, StepEvidence
from flowtrail_collector.sagas.learning.words import yaml_text, yaml_types
from flowtrail_collector.sagas.model.flows import Flow, Step
from flowtrail_collector.units import exact_span
from flowtrail_collector.wording import counted, format_seconds, printable

__all__ = ["draft_text"]

_MAX_COMMENT = 200


def draft_text(learned: Learned) -> str:
    """The flow file as text; if there are no flows, only comments that say why."""
    return "\n".join([*_head(learned), *_flows(learned), *_foot(learned)]) + "\n"


def _head(learned: Learned) -> Iterator[str]:
    yield "# Drafted from traffic by `flowtrail flows learn`. Every line is a guess; the comment gives the evidence."
    if not learned.flows:
        yield "# No flow could be found."


def _foot(learned: Learned) -> Iterator[str]:
    if learned.partial:
        yield f"# Left out: {counted(learned.partial, 'instance')} seen from the middle on only."
    for kind, count in learned.too_few[:_MAX_COMMENT]:
        yield f"# Left out: {counted(count, 'instance')} that started with {printable(kind)}: too few that completed, or nothing followed."


def _flows(learned: Learned) -> Iterator[str]:
    if learned.flows:
        yield "flows:"
    for drafted in learned.flows:
        yield from _flow(drafted)


def _flow(drafted: LearnedFlow) -> Iterator[str]:
    flow = drafted.flow
    others = drafted.instances - drafted.completed - drafted.broken_off
    yield f"  # {counted(drafted.instances, 'instance')}: {drafted.completed} completed, {drafted.broken_off} ended otherwise, {others} neither."
    yield f"  {yaml_text(flow.name)}:"
    yield f"    starts: {yaml_types(flow.starts)}  # most instances with it begin with it"
    yield from _steps(drafted)
    yield f"    completes: {yaml_types(flow.completes)}  # nothing of the flow follows; of such types the most frequent whose name doesn't sound like a failure"
    if flow.cancels:
        yield f"    cancels: {yaml_types(flow.cancels)}  # in most instances that ended otherwise, and hardly in others"
    elif drafted.broken_off:
        yield "    # No type cancels: a failed step ends the flow."
    else:
        yield "    # No instance ended otherwise: nothing could be learned about failures."
    if flow.within_ms is not None:
        yield f"    within: {exact_span(flow.within_ms)}  # twice what 99% took at most: {_seconds(drafted.p99_ms)} ({_samples(drafted.completed)})"
    for kind, count, why in drafted.left_out:
        yield f"    # Left out: {printable(kind)} ({counted(count, 'instance')}): {why}."


def _steps(drafted: LearnedFlow) -> Iterator[str]:
    yield "    steps:"
    plain: tuple[str, ...] | None = ()
    for step in drafted.flow.steps:
        yield from _step(step, drafted.evidence[step.name], drafted.flow, plain)
        # What an optional step leaves to the next one is better said than known.
        plain = None if step.optional else (step.name,)


def _step(step: Step, found: StepEvidence, flow: Flow, plain: tuple[str, ...] | None) -> Iterator[str]:
    yield f"      {yaml_text(step.name)}:"
    often = f"in {100 * found.share:.4g} % of the completed instances"
    repeated = f", up to {found.repeats} times" if found.repeats > len(step.done) else ""
    yield f"        done: {yaml_types(step.done)}  # {often}{repeated}"
    if step.optional:
        yield "        optional: true"
    if step.after != plain:
        why = "follows from causation ids" if found.caused else "always later"
        yield f"        after: {yaml_types(step.after) if step.after else 'start'}  # {why}"
    if step.failed:
        yield f"        failed: {yaml_types(step.failed)}  # of the same service, when it was its turn and it wasn't done"
    if step.undone:
        yield f"        undone: {yaml_types(step.undone)}  # of the same service, after it was done, only where it didn't complete"
    if step.by is not None:
        seen = "groups are not known"
        if found.group_seen is not None:
            seen = (
                "a group of that name is known"
                if found.group_seen
                else "no group of that name is known: check"
            )
        yield f"        by: {yaml_text(step.by)}  # from the event's source; {seen}"
    if step.within_ms is not None:
        yield f"        within: {exact_span(step.within_ms)}  # 99% took at most {_seconds(found.p99_ms)} ({_samples(found.samples)})"


def _seconds(span_ms: int) -> str:
    return format_seconds(span_ms / 1000)


def _samples(count: int) -> str:
    few = ", too few to rely on" if count < FEW else ""
    return f"{counted(count, 'sample')}{few}"
