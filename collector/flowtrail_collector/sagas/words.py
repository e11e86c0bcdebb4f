"""What is said of an instance in sentences, on the terminal and in the console, by what the API answers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flowtrail_collector.wording import clock, counted, format_seconds, printable

__all__ = [
    "cause_words",
    "expected_words",
    "forecast_words",
    "past_words",
    "redrive_command",
    "risk_words",
    "state_words",
]

_STATES = {"open": "not done", "waiting": "not done"}
_TIMES = {1: "once", 2: "twice"}


def past_words(saga: Mapping[str, Any]) -> Iterator[str]:
    """What happened more than once, and what is owed."""
    if saga.get("repeated_starts"):
        yield f"it was started {counted(saga['repeated_starts'], 'more time')} before it ended"
    for step in saga["steps"]:
        if rounds := step.get("rounds"):
            said = [_round_words(number, item) for number, item in enumerate(rounds[:-1], 1)]
            yield f"{printable(step['name'])} is in round {len(rounds)}: {'; '.join(said)}"
        if times := step.get("owed_times"):
            owed = _TIMES.get(times, f"{times} times")
            yield (
                f"{printable(step['name'])} still has to be undone {owed}:"
                f" {printable(' or '.join(step['undo']))} is owed"
            )


def forecast_words(saga: Mapping[str, Any], *, now: datetime | None = None) -> Iterator[str]:
    """What comes next in an open instance and when, and which deadlines it will probably miss.

    Args:
        saga: The instance.
        now: The present.
    """
    forecast = saga.get("forecast")
    if forecast is None:
        return
    if forecast["remaining"]:
        undo = any(step.get("owed_times") for step in saga["steps"])
        head = "still to be undone" if undo else "still to come"
        yield f"{head}: {printable(', '.join(forecast['remaining']))}"
    if expected := expected_words(saga, now=now):
        yield f"expected to end {expected}, based on {counted(forecast['comparable_instances'], 'instance')} like this one"
    elif forecast["unknown"]:
        yield f"expected end unknown: {forecast['unknown']}"
    yield from risk_words(saga, now=now)


def expected_words(saga: Mapping[str, Any], *, now: datetime | None = None) -> str:
    """When it will end, in a few words; empty if that can't be told."""
    forecast = saga.get("forecast")
    if not forecast or forecast["expected_end"] is None:
        return ""
    present = now or datetime.now(UTC)
    least, middle, most = (
        _ahead(forecast[name], present) for name in ("earliest_end", "expected_end", "latest_end")
    )
    return f"in {middle} ({least} to {most})"


def risk_words(saga: Mapping[str, Any], *, now: datetime | None = None) -> Iterator[str]:
    """Each deadline that it will probably miss."""
    forecast = saga.get("forecast")
    present = now or datetime.now(UTC)
    for risk in forecast["risks"] if forecast else ():
        what = f"the deadline of {printable(risk['step'])}" if risk["step"] else "the time limit of its flow"
        yield (
            f"will probably miss {what} in {_ahead(risk['deadline'], present)}"
            f" ({clock(risk['deadline'])}, {risk['probability']:.0%} likely)"
        )


def cause_words(cause: Mapping[str, Any]) -> str:
    """Why all instances of a cause are stuck, in a sentence that fits each of them."""
    text: str = cause["text"]
    return f"timed out: {text}" if cause["state"] == "timed_out" else text


def redrive_command(cause: Mapping[str, Any]) -> str:
    """The command that sends back the dead letters which hold instances of a cause up; empty if there are none."""
    letters = cause["dead_letter_cause"]
    return f"flowtrail dlq redrive --flow {shlex.quote(cause['flow'])} --cause {letters}" if letters else ""


def state_words(saga: Mapping[str, Any], missing: Sequence[Mapping[str, Any]]) -> str:
    """How an instance stands, in one or two words: its outcome, or `stuck` while a step is past its deadline.

    Args:
        saga: The instance.
        missing: The missing steps of its trail.
    """
    if saga["outcome"] == "open" and any(
        step["overdue"] and step["flow"] == saga["flow"] for step in missing
    ):
        return "stuck"
    return str(saga["outcome"].replace("_", " "))


def _ahead(moment: str, now: datetime) -> str:
    return format_seconds(max(0.0, (datetime.fromisoformat(moment) - now).total_seconds()))


def _round_words(number: int, item: Mapping[str, Any]) -> str:
    state = _STATES.get(item["state"], item["state"])
    return f"round {number} {state}" + (f" {clock(item['until'])}" if item["until"] else "")
