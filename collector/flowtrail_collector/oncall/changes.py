"""What the slices know, told as changes: each with its words, and where to look next."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import quote, urlencode

from flowtrail_collector.broker_names import broker_of, without_broker
from flowtrail_collector.causes import common_words
from flowtrail_collector.conditions import PartState, condition_words
from flowtrail_collector.dead_letters.model.cause import CauseLately
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.words import QUEUE, status_words
from flowtrail_collector.oncall.memory import Lasting
from flowtrail_collector.oncall.model import Change, Kind, Place
from flowtrail_collector.sagas.model.causes import LATE, StuckCause
from flowtrail_collector.sagas.ports import EndedLately
from flowtrail_collector.sagas.stuck import Diagnosis, Reason
from flowtrail_collector.wording import counted

__all__ = ["died", "ended", "group_ill", "lost", "part_failed", "stuck", "unmapped", "unreadable"]

_ENDS = {"timed_out": "timed out", "compensated": "were compensated", "failed": "failed"}
_GROUPS_FAULT = (Reason.STOPPED, Reason.STALLED, Reason.BEHIND)


def part_failed(part: Lasting[str, str]) -> Change:
    """A part of the collector that doesn't work."""
    place = Place("/collector", "flowtrail doctor")
    return Change(
        Kind.COLLECTOR,
        (part.name,),
        condition_words(f"{part.name} of the collector", PartState.FAILING, part.state),
        place,
        since_ms=part.since_ms,
        about=(("part", part.name), ("said", part.state)),
    )


def group_ill(group: Lasting[str, str], reading: GroupReading, waiting: int) -> Change:
    """A group that needs attention.

    Args:
        group: Its status.
        reading: Its figures.
        waiting: How many open instances wait for it.
    """
    unread = reading.sum_lag
    words = status_words(group.state, reading.members, reading.type)
    text = f"{_named(group.name, reading.type)} {words}"
    if unread:
        text += f", {counted(unread, 'message')} unread"
    touched, of = (waiting, "orders") if waiting else (unread or 0, "messages")
    since_ms = group.since_ms
    if reading.since is not None:
        # Its commits, its members and what it left unread may tell of a time before anybody looked.
        noticed_ms = group.seen_ms if since_ms is None else since_ms
        since_ms = min(int(reading.since * 1000), noticed_ms)
    about = (("group", group.name), ("status", group.state))
    return Change(Kind.GROUP, (group.name,), text, _group(group.name), touched, of, since_ms, about=about)


def lost(group: str, records: int, since_ms: int) -> Change:
    """Records that retention removed before a group read them."""
    text = f"retention removed {counted(records, 'message')} before {group} read them"
    about = (("group", group),)
    return Change(Kind.LOST, (group,), text, _group(group), records, "messages", since_ms, about=about)


def stuck(cause: StuckCause, why: Diagnosis, queue: str | None) -> Change | None:
    """Instances of a cause, quiet where there aren't more than before; None for those that have ended.

    Args:
        cause: The cause.
        why: Why they are stuck.
        queue: The group's name where it isn't the one that is waited for, as with RabbitMQ.
    """
    if cause.state != LATE:
        return None
    because = None
    if why.reason in _GROUPS_FAULT:
        because = (Kind.GROUP, (queue or why.by or "",))
    elif why.reason is Reason.DEAD_LETTER and cause.letter:
        because = (Kind.DEAD_LETTERS, (cause.letter,))
    are = "is" if cause.half_hour == 1 else "are"
    text = f"{counted(cause.half_hour, 'order')} of {cause.flow} {are} stuck: {why.text}"
    example = cause.example
    return Change(
        Kind.STUCK,
        (cause.cause,),
        text + _before(cause.half_hour_before),
        Place(f"/sagas?{urlencode({'cause': cause.cause})}", f"flowtrail sagas --cause {cause.cause}"),
        cause.half_hour,
        since_ms=cause.lately_ms or cause.first_ms,
        trail=example.correlation_id or example.saga.key,
        because=because,
        quiet=cause.half_hour <= cause.half_hour_before,
        about=_about(flow=cause.flow, step=why.step, group=why.by, reason=why.reason.value),
    )


def ended(end: EndedLately) -> Change | None:
    """More instances that ended so than before; None if there aren't."""
    if end.now <= end.before or end.outcome not in _ENDS:
        return None
    words = _ENDS[end.outcome].replace("were", "was") if end.now == 1 else _ENDS[end.outcome]
    text = f"{counted(end.now, 'order')} of {end.flow} {words}"
    query = urlencode({"flow": end.flow, "outcome": end.outcome})
    command = f"flowtrail sagas --flow {shlex.quote(end.flow)} --outcome {end.outcome}"
    return Change(
        Kind.ENDED,
        (end.flow, end.outcome),
        text + _before(end.before),
        Place(f"/sagas?{query}", command),
        end.now,
        since_ms=end.first_ms,
        trail=end.example,
        about=_about(flow=end.flow, outcome=end.outcome),
    )


def died(cause: CauseLately) -> Change:
    """A new cause of dead letters, or one that is more frequent than before."""
    letter = cause.example
    message = common_words(letter.error_message)
    error = ": ".join(part for part in (letter.error_type, message) if part)
    what = f"{f'group {letter.group}' if letter.group else 'a consumer'} dead-lettered {counted(cause.now, 'message')}"
    what += f" of type {letter.event_type}" if letter.event_type else ""
    what += f" ({error})" if error else ""
    head = "for the first time " if cause.is_new else ""
    place = (
        Place(
            f"/dead-letters?{urlencode({'cause': cause.cause})}", f"flowtrail dlq list --cause {cause.cause}"
        )
        if cause.cause
        else Place("/dead-letters", "flowtrail dlq list")
    )
    return Change(
        Kind.DEAD_LETTERS,
        (cause.cause or "",),
        head + what + ("" if cause.is_new else _before(cause.before)),
        place,
        cause.orders,
        since_ms=cause.first_ms,
        trail=letter.correlation_id or letter.subject or letter.event_id,
        about=_about(
            group=letter.group,
            event_type=letter.event_type,
            error_type=letter.error_type,
            error_message=message,
            trend="new" if cause.is_new else "rising",
        ),
    )


def unreadable(failure: Lasting[tuple[str, str], str], waiting: int) -> Change:
    """Something that a broker doesn't tell.

    Args:
        failure: What, and why.
        waiting: How many open instances wait for those that it concerns.
    """
    scope, name = failure.name
    text = f"{scope} {name}: {failure.state}" if name else f"{scope}: {failure.state}"
    place = Place("/lag", "flowtrail lag")
    about = _about(what=scope, name=name, said=failure.state)
    return Change(Kind.UNREADABLE, failure.name, text, place, waiting, since_ms=failure.since_ms, about=about)


def unmapped(topic: str, records: int, since_ms: int) -> Change:
    """Records from which the mapping of their topic makes no event."""
    text = f"{counted(records, 'record')} of topic {topic} could not be mapped to events"
    place = Place("/collector", "flowtrail doctor")
    about = (("topic", topic),)
    return Change(Kind.MAPPING, (topic,), text, place, records, "messages", since_ms, about=about)


def _about(**values: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in values.items() if value)


def _named(name: str, kind: str) -> str:
    if kind == QUEUE:
        return f"queue {without_broker(name)} of {broker_of(name)}"
    return f"group {name}" if name else "the group without a name"


def _group(name: str) -> Place:
    return Place(f"/lag?group={quote(name, safe='')}", f"flowtrail lag --group {shlex.quote(name)}")


def _before(number: Any) -> str:
    return f", {number} in the 30 minutes before" if number else ""
