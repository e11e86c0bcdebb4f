"""Instances as JSON: the shape that the API answers with."""

from __future__ import annotations

from typing import Any

from flowtrail_collector.sagas.model.view import SagaView, StepView
from flowtrail_collector.units import iso_time_ms


def saga_json(saga: SagaView) -> dict[str, Any]:
    """A saga instance with its steps."""
    return {
        "flow": saga.flow,
        "key": saga.key,
        "instance": saga.instance,
        "outcome": saga.state,
        "started": iso_time_ms(saga.started_ms),
        "ended": iso_time_ms(saga.ended_ms),
        "partial": saga.partial,
        "repeated_starts": saga.repeated_starts,
        "reason": saga.reason,
        "steps": [_step_json(step) for step in saga.steps],
    }


def _step_json(step: StepView) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": step.name,
        "state": step.state,
        "expects": list(step.expects),
        "by": step.by,
        "deadline": iso_time_ms(step.deadline_ms),
    }
    if step.owed:
        found["owed"] = list(step.owed)
    if step.so_far is not None:
        found |= {"so_far": step.so_far, "times": step.times}
    if step.asked is not None:
        found["asked"] = step.asked
    if step.children:
        found["children"] = [
            {name: getattr(child.saga, name) for name in ("flow", "key", "instance", "outcome")}
            | {"stuck": child.stuck}
            for child in step.children
        ]
    return found
