"""Instances as JSON: the shape that the API answers with."""

from __future__ import annotations

from typing import Any

from flowtrail_collector.sagas.model.forecast import Forecast
from flowtrail_collector.sagas.model.view import SagaView, StepView
from flowtrail_collector.sagas.stuck import Diagnosis
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
        "forecast": None if saga.forecast is None else forecast_json(saga.forecast),
    }


def _step_json(step: StepView) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": step.name,
        "state": step.state,
        "expects": list(step.expects),
        "by": step.by,
        "deadline": iso_time_ms(step.deadline_ms),
    }
    if step.rounds:
        moments = [(item.state, item.since_ms, item.until_ms) for item in step.rounds]
        moments.append((step.state, step.since_ms, step.until_ms))
        found["rounds"] = [
            {"state": state, "since": iso_time_ms(since_ms), "until": iso_time_ms(until_ms)}
            for state, since_ms, until_ms in moments
        ]
    if step.owed_times:
        found |= {"owed_times": step.owed_times, "undo": list(step.undo)}
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


def late_json(item: Diagnosis) -> dict[str, Any]:
    """A late step, who should do it, and why it is late in a word."""
    asked = {} if item.asked is None else {"asked": item.asked}
    return {"step": item.step, "by": item.by, "reason": item.reason.value, **asked}


def forecast_json(forecast: Forecast) -> dict[str, Any]:
    """What comes next in an instance, and when."""
    return {
        "remaining": list(forecast.remaining),
        "expected_end": iso_time_ms(forecast.expected_ms),
        "earliest_end": iso_time_ms(forecast.earliest_ms),
        "latest_end": iso_time_ms(forecast.latest_ms),
        "comparable_instances": forecast.comparable,
        "unknown": forecast.unknown,
        "risks": [
            {"step": step, "deadline": iso_time_ms(deadline_ms), "probability": round(probability, 3)}
            for step, deadline_ms, probability in forecast.risks
        ],
    }
