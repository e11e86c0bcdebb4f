"""The earlier rounds of a step whose turn came anew."""

from __future__ import annotations

from collections.abc import Mapping

from flowtrail_collector.sagas.model.assessment import Mark, assess
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.steps import StepProgress

__all__ = ["earlier_rounds", "first_turn_ms"]


def earlier_rounds(flow: Flow, events: Mapping[int, Mark], item: StepProgress) -> tuple[StepProgress, ...]:
    """How a step stood when each of the rounds before this one was over, the first one first.

    Args:
        flow: Its flow.
        events: The instance's events.
        item: How it stands.
    """
    found: list[StepProgress] = []
    while item.round_ms:
        before = {unique: mark for unique, mark in events.items() if mark[0] < item.round_ms}
        earlier = next(other for other in assess(flow, before).steps if other.step.name == item.step.name)
        if earlier.since_ms is None:
            break
        found.append(earlier)
        item = earlier
    return tuple(reversed(found))


def first_turn_ms(flow: Flow, events: Mapping[int, Mark], item: StepProgress) -> int:
    """When a step's turn came for the first time."""
    rounds = earlier_rounds(flow, events, item) if item.round_ms else ()
    return (rounds[0] if rounds else item).since_ms or 0
