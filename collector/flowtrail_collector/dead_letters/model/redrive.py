"""Redrive: which dead letters, where each of them goes, and what its headers are on the way back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flowtrail.wire import dead_letters as own
from flowtrail_collector.broker_names import RABBITMQ, without_broker
from flowtrail_collector.dead_letters.model.headers import headers_before_death, read_headers
from flowtrail_collector.dead_letters.model.letter import QUARANTINED, DeadLetter, Place

__all__ = [
    "Action",
    "Original",
    "Refusal",
    "Route",
    "bounded",
    "counted_headers",
    "is_topic_name",
    "left_out",
    "original_place",
    "oversize_of",
    "quarantine_topic",
    "replays_of",
    "returned_headers",
    "route",
    "source_place",
    "too_large",
]

Header = tuple[str, bytes | None]

REPLAYS = "dlq.replays"
_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_MAX_REPLAYS = 1_000_000
_QUARANTINE = ".quarantine"
_MAX_TOPIC_NAME = 249
_MAX_QUEUE_NAME = 255  # in bytes
_LEFT_OUT = "its value was left out"
_MAX_REASONS = 50


class Action(StrEnum):
    """What became of a dead letter."""

    REDRIVEN = "redriven"
    QUARANTINED = "quarantined"
    DISMISSED = "dismissed"


class Refusal(StrEnum):
    """Why a dead letter stays where it is; each is one phrase for people."""

    UNKNOWN_CONVENTION = "it has no recognised dead letter headers: name a topic with --to"
    NO_SOURCE = "the headers name no source topic: name one with --to"
    BAD_NAME = "the headers name an invalid or internal topic: name one with --to"
    SAME_TOPIC = "it came from the dead letter topic itself: name another one with --to"
    NO_SUCH_TOPIC = "its topic doesn't exist: name one with --to"
    LIMIT = "it is in quarantine, sent back as often as --replay-limit allows: raise that to try again"
    GONE = "the record is no longer in the dead letter topic"
    NO_COPY = "the dead letter has no copy of the record, and the original is gone"
    DEALT_WITH = "it was redriven or dismissed meanwhile, so the edit wasn't sent"
    HEADERS_LACKING = (
        "its headers can't be read, as the name of one isn't UTF-8, and without them it isn't sent: "
        "publish it again with another client"
    )
    NOT_TAKEN = "the broker rejects it permanently"


class Original(StrEnum):
    """What stands at the place where a record died."""

    THERE = "is there"
    GONE = "is gone"
    ANOTHER = "is now another record"
    UNSURE = "may be another record now: there is neither timestamp nor key to tell by"


def left_out(letter: DeadLetter, original: Original) -> str:
    """Why a dead letter stays whose value was left out."""
    place = source_place(letter)
    if place is None:
        return f"{_LEFT_OUT}, and its headers don't say where it is"
    return f"{_LEFT_OUT}, and {place[0]}/{place[1]}/{place[2]} {original.value}"


def bounded(refusals: Mapping[str, int]) -> dict[str, int]:
    """Refusals by reason, without a reason of its own for each place once there are many of them."""
    if len(refusals) <= _MAX_REASONS:
        return dict(refusals)
    found = Counter[str]()
    for reason, count in refusals.items():
        found[
            f"{_LEFT_OUT}, and it is no longer where it was" if reason.startswith(_LEFT_OUT) else reason
        ] += count
    return dict(found)


def too_large(topic: str, limit_bytes: int) -> str:
    """Why a record stays that its topic doesn't take."""
    return (
        f"it is larger than {topic} allows: raise its max.message.bytes ({limit_bytes} now),"
        " or choose another topic with --to"
    )


@dataclass(frozen=True, slots=True)
class Route:
    """Where a dead letter goes.

    Attributes:
        action: Redriven or quarantined.
        topic: The topic.
        partition: The one it came from, so that it meets its key's other records; None: as the key says.
        replays: How often it will have been sent back.
    """

    action: Action
    topic: str
    partition: int | None
    replays: int


def quarantine_topic(topic: str) -> str:
    """Where those go that keep failing: `<topic>.quarantine`."""
    return topic[: _MAX_TOPIC_NAME - len(_QUARANTINE)] + _QUARANTINE


def route(
    letter: DeadLetter,
    *,
    to: str | None,
    replay_limit: int,
    known: Container[str],
    replays: int | None = None,
) -> Route | Refusal:
    """Where a dead letter goes, or why it goes nowhere.

    Headers are written by whoever can write to the topic, so a target they name is believed only if it is a
    topic that exists, isn't internal, and isn't the dead letter topic itself.

    Args:
        letter: The dead letter.
        to: A topic to send it to instead of its own.
        replay_limit: One that has been sent back so often goes to quarantine.
        known: Topics that exist.
        replays: How often it has been sent back, if known better than from `letter`.
    """
    target = _target(letter, to)
    if isinstance(target, Refusal):
        return target
    if target not in known:
        return Refusal.NO_SUCH_TOPIC
    before = (letter.replays or 0) if replays is None else replays
    if before >= replay_limit and letter.state == QUARANTINED:
        return Refusal.LIMIT
    if before >= replay_limit:
        return Route(Action.QUARANTINED, quarantine_topic(target), None, before)
    partition = letter.source_partition if to is None else None
    return Route(Action.REDRIVEN, target, partition, before + 1)


def original_place(letter: DeadLetter) -> Place | None:
    """Where the original is better read than the dead letter, None if it isn't.

    Share groups (KIP-1191) copy no headers, and key and value only if told to.
    """
    return source_place(letter) if letter.convention == "share-group" else None


def source_place(letter: DeadLetter) -> Place | None:
    """Where the record stood that died, as the headers say; None if they don't, or name no topic of users."""
    if letter.source_topic is None or letter.source_partition is None or letter.source_offset is None:
        return None
    if not is_topic_name(letter.source_topic):
        return None
    return letter.source_topic, letter.source_partition, letter.source_offset


def oversize_of(letter: DeadLetter, headers: Sequence[Header]) -> str | None:
    """What a dead letter has in place of its value, None if that is there; older stores don't know it."""
    if letter.oversize is not None or letter.convention != "flowtrail":
        return letter.oversize
    return read_headers(headers).oversize if any(name == own.OVERSIZE for name, _ in headers) else None


def is_topic_name(name: str) -> bool:
    """Whether a topic can have this name, and isn't one of the broker's own."""
    if name.startswith(RABBITMQ):
        own_name = without_broker(name)
        return 0 < len(own_name.encode()) <= _MAX_QUEUE_NAME and not own_name.startswith("amq.")
    return bool(_TOPIC_NAME.fullmatch(name)) and name not in (".", "..") and not name.startswith("__")


def _target(letter: DeadLetter, to: str | None) -> str | Refusal:
    if to is not None:
        return to
    if letter.convention == "unknown":
        return Refusal.UNKNOWN_CONVENTION
    if letter.source_topic is None:
        return Refusal.NO_SOURCE
    name = letter.source_topic
    if not is_topic_name(name):
        return Refusal.BAD_NAME
    return Refusal.SAME_TOPIC if name == letter.topic else name


def replays_of(headers: Sequence[Header]) -> int:
    """How often a record has been sent back, as its headers say; 0 if they don't."""
    for name, value in reversed(headers):
        if name == REPLAYS and value is not None:
            # Digits of other scripts and endless numbers aren't ours.
            return min(int(value), _MAX_REPLAYS) if value.isdigit() and len(value) <= 9 else 0
    return 0


def returned_headers(headers: Sequence[Header], convention: str, replays: int) -> list[Header]:
    """A record's headers as they were before it died, and how often it has been sent back.

    Args:
        headers: Of the dead letter.
        convention: Whose headers say how it died; those go.
        replays: The new count.
    """
    return counted_headers(headers_before_death(headers, convention), replays)


def counted_headers(headers: Sequence[Header], replays: int) -> list[Header]:
    """Headers as they are, and how often the record has been sent back."""
    kept = [header for header in headers if header[0] != REPLAYS]
    return [*kept, (REPLAYS, str(replays).encode())]
