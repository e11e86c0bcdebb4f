"""Why a saga doesn't move, in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flowtrail_collector.domain.trails_model import TrailDeadLetter, TrailSaga

GroupLag = Callable[[str], int | None]
"""How many messages a consumer group is behind; None if that isn't known."""


def stuck_reason(
    saga: TrailSaga, letters: Iterable[TrailDeadLetter], group_lag: GroupLag, *, now_ms: int
) -> str | None:
    """What keeps an open saga: who should move it, how far behind they are, what they gave up.

    Args:
        saga: The instance.
        letters: Pending dead letters of its flow.
        group_lag: Lag of a consumer group.
        now_ms: The present, milliseconds since the epoch.

    Returns:
        None where nothing is late and nothing was given up.
    """
    if saga.outcome not in ("open", "timed_out"):
        return None
    given_up = [_given_up(letter) for letter in letters]
    late = [
        _waits_for(step.name, step.by, group_lag)
        for step in saga.steps
        if step.state == "open" and step.deadline_ms is not None and step.deadline_ms < now_ms
    ]
    return "; ".join([*late, *given_up]) or None


def _waits_for(step: str, group: str | None, group_lag: GroupLag) -> str:
    if group is None:
        return f"{step} is late"
    lag = group_lag(group)
    if lag is None:
        return f"{step} waits for {group}"
    behind = "has read everything" if lag == 0 else f"is {lag} messages behind"
    return f"{step} waits for {group}, which {behind}"


def _given_up(letter: TrailDeadLetter) -> str:
    error = ": ".join(part for part in (letter.error_type, letter.error_message) if part)
    who = letter.group or "a consumer"
    return f"{who} gave up {letter.event_type or 'an event'}" + (f" ({error[:200]})" if error else "")
