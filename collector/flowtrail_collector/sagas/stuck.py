"""Why a saga doesn't move: the step, who should move it, how they are, and what they gave up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from flowtrail_collector.broker_names import RABBITMQ
from flowtrail_collector.causes import common_words
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.lag.model.progress import GroupProgress, GroupProgressOf
from flowtrail_collector.lag.words import QUEUE, is_deserted, status_words
from flowtrail_collector.sagas.model.causes import TIMED_OUT, StuckCause, Wait
from flowtrail_collector.sagas.model.view import SagaView, StepView
from flowtrail_collector.wording import counted, format_seconds, format_span

__all__ = ["Diagnosis", "Reason", "diagnose", "diagnose_cause", "reason_of", "stuck_reason"]

_MAX_ERROR = 200
_MAX_LETTERS = 3
_STILL = frozenset({"stalled", "uncommitted"})


class Reason(StrEnum):
    """Why a step is late, by what there is to do about it."""

    DEAD_LETTER = "dead_letter"
    """A message of this instance was given up: look at it, then redrive it."""
    STOPPED = "stopped"
    """The group that should act has no members: start it."""
    STALLED = "stalled"
    """It has members, and commits nothing although records wait: its handler hangs, or keeps failing."""
    BEHIND = "behind"
    """It works, and has records to read before it can get to this one: wait, or give it more members."""
    SILENT = "silent"
    """It has read everything, and did not answer: its handler swallowed the event, or its answer was lost."""
    UNKNOWN = "unknown"
    """Nobody is named for the step, or that group's progress isn't known."""


class Diagnosis(NamedTuple):
    """Why one step of an instance is late; `asked`: whether it was asked for, where a command has to."""

    step: str
    by: str | None
    reason: Reason
    text: str
    asked: bool | None = None


def reason_of(progress: GroupProgress | None) -> Reason:
    """Why a step is late whose group gave up nothing."""
    if progress is None or (progress.lag is None and progress.status is None and progress.members is None):
        return Reason.UNKNOWN
    if is_deserted(progress.status, progress.members):
        return Reason.STOPPED
    if progress.status in _STILL:
        return Reason.STALLED
    if progress.lag is None:
        return Reason.UNKNOWN
    return Reason.BEHIND if progress.lag else Reason.SILENT


def diagnose(
    saga: SagaView, letters: Iterable[DeadLetter], progress_of: GroupProgressOf
) -> tuple[Diagnosis, ...]:
    """Each late step of an open saga, and why it is late.

    Args:
        saga: The instance.
        letters: Pending dead letters of its flow.
        progress_of: How a consumer group is.
    """
    given_up = list(letters)
    return tuple(_diagnose_step(step, given_up, progress_of) for step in saga.steps if step.late)


def diagnose_cause(cause: StuckCause, progress_of: GroupProgressOf) -> Diagnosis:
    """Why all instances of a cause are stuck: in words that fit each of them, whatever ids theirs have."""
    step = cause.step_view
    if cause.wait is Wait.NOTHING or step is None:
        text = "every step is done, and what completes the flow has not come"
        return Diagnosis(cause.step, None, Reason.UNKNOWN, text)
    if cause.wait is Wait.UNDONE:
        text = f"{step.name} has still to be taken back by {' or '.join(step.undo)}"
        return Diagnosis(step.name, step.by, Reason.UNKNOWN, text)
    if cause.wait is Wait.CHILDREN:
        text = f"{step.name} waits for {step.children[0].saga.flow}"
        return Diagnosis(step.name, step.by, Reason.UNKNOWN, text)
    letters = [] if cause.letter is None else [_common(letter) for letter in cause.example.dead_letters]
    # How a group is now says nothing of what ended before.
    over = cause.state == TIMED_OUT
    return _diagnose_step(step, letters, (lambda group: None) if over else progress_of)


def _common(letter: DeadLetter) -> DeadLetter:
    return letter._replace(error_message=common_words(letter.error_message), attempts=None)


def stuck_reason(saga: SagaView, letters: Iterable[DeadLetter], progress_of: GroupProgressOf) -> str | None:
    """What keeps an open saga, in one sentence.

    Args:
        saga: The instance.
        letters: Pending dead letters of its flow.
        progress_of: How a consumer group is.

    Returns:
        None where nothing is late and nothing was given up.
    """
    if saga.outcome not in ("open", "timed_out"):
        return None
    given_up = list(letters)
    late = diagnose(saga, given_up, progress_of)
    said = {item.by for item in late if item.reason is Reason.DEAD_LETTER}
    others = [letter for letter in given_up if not any(by and _is_of(letter, by) for by in said)]
    if late and any(item.by is None and item.reason is Reason.DEAD_LETTER for item in late):
        others = []
    return "; ".join([*(item.text for item in late), *map(_given_up, others[:_MAX_LETTERS])]) or None


def _diagnose_step(step: StepView, letters: Sequence[DeadLetter], progress_of: GroupProgressOf) -> Diagnosis:
    if step.children and not step.uncancelled:
        return _diagnose_children(step, progress_of)
    theirs = next((letter for letter in letters if step.by is None or _is_of(letter, step.by)), None)
    who = _who(step)
    if theirs is not None:
        text = f"{who}, which {_gave_up(theirs)}" if step.by else f"{who}: {_given_up(theirs)}"
        return Diagnosis(step.name, step.by, Reason.DEAD_LETTER, text, step.asked)
    progress = progress_of(step.by) if step.by else None
    reason = reason_of(progress)
    if progress is None or reason is Reason.UNKNOWN:
        return Diagnosis(step.name, step.by, reason, who, step.asked)
    return Diagnosis(step.name, step.by, reason, f"{who}, which {_doing(reason, progress)}", step.asked)


def _diagnose_children(step: StepView, progress_of: GroupProgressOf) -> Diagnosis:
    """Which of the instances that a step waits for needs attention first, and why that is late."""
    child, *others = step.children
    late = diagnose(child.saga, child.dead_letters, progress_of)
    why = stuck_reason(child.saga, child.dead_letters, progress_of)
    text = f"{step.name} waits for {child.saga.flow} {child.saga.key}"
    if why is not None:
        text += f", where {why}"
    elif child.saga.outcome != "open":
        text += f", which ended as {child.saga.outcome.replace('_', ' ')}"
    if others:
        text += f"; and for {counted(len(others), 'other')}"
    by, reason = (late[0].by, late[0].reason) if late else (step.by, Reason.UNKNOWN)
    return Diagnosis(step.name, by, reason, text)


def _who(step: StepView) -> str:
    if step.uncancelled:
        return f"{step.name} failed, and {' or '.join(step.expects)} has not followed"
    if step.asked is False:
        asks = " or ".join(step.expects)
        return f"{step.name} was not asked for: {asks}" + (
            f" should come from {step.by}" if step.by else " is late"
        )
    if step.asked:
        return f"{step.name} was asked for and " + (f"waits for {step.by}" if step.by else "is not answered")
    return f"{step.name} waits for {step.by}" if step.by else f"{step.name} is late"


def _doing(reason: Reason, progress: GroupProgress) -> str:
    """What its lag says of a group, and how that comes to nothing for who waits."""
    said = _standing(reason, progress)
    if progress.age_seconds is not None:
        said += f", as far as was known {format_seconds(progress.age_seconds)} ago"
    return said


def _standing(reason: Reason, progress: GroupProgress) -> str:
    status, kind = progress.status, QUEUE if progress.queue else None
    queue = f" on queue {progress.queue}" if progress.queue else ""
    behind = f"is {_behind(progress)} behind" if progress.lag else ""
    # Of two that say the same the lag is the one with a figure.
    told = "" if status == "behind" and behind else status_words(status, progress.members, kind)
    if reason is Reason.SILENT:
        return " and ".join(filter(None, [told, "has read everything and has not answered"]))
    return " and ".join(filter(None, [told and told + queue, behind if told else behind + queue]))


def _is_of(letter: DeadLetter, group: str) -> bool:
    """Whether a group gave a message up; RabbitMQ itself names the group's queue, `<topic>.<group>`."""
    if letter.group is None or letter.group == group:
        return letter.group is not None
    return letter.topic.startswith(RABBITMQ) and letter.group.endswith(f".{group}")


def _behind(progress: GroupProgress) -> str:
    if not progress.lag:
        return ""
    messages = counted(progress.lag, "message")
    return f"{messages} ({format_span(round(progress.seconds))})" if progress.seconds else messages


def _gave_up(letter: DeadLetter) -> str:
    error = ": ".join(part for part in (letter.error_type, letter.error_message) if part)
    tries = f" after {letter.attempts} attempts" if letter.attempts and letter.attempts > 1 else ""
    return f"dead-lettered {letter.event_type or 'an event'}{tries}" + (
        f" ({error[:_MAX_ERROR]})" if error else ""
    )


def _given_up(letter: DeadLetter) -> str:
    return f"{letter.group or 'a consumer'} {_gave_up(letter)}"
