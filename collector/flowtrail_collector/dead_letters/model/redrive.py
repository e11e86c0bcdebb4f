"""Redrive: which dead letters, where each of them goes, and what its headers are on the way back."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flowtrail_collector.dead_letters.model.headers import headers_before_death
from flowtrail_collector.dead_letters.model.letter import QUARANTINED, DeadLetter, Place

__all__ = [
    "Action",
    "Refusal",
    "Route",
    "counted_headers",
    "is_topic_name",
    "original_place",
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


class Action(StrEnum):
    """What became of a dead letter."""

    REDRIVEN = "redriven"
    QUARANTINED = "quarantined"
    DISMISSED = "dismissed"


class Refusal(StrEnum):
    """Why a dead letter stays where it is; each is one phrase for people."""

    UNKNOWN_CONVENTION = "nobody's headers: name a topic with --to"
    NO_SOURCE = "the headers name no source topic: name one with --to"
    BAD_NAME = "the headers name what can't be a topic, or an internal one: name one with --to"
    SAME_TOPIC = "it came from the dead letter topic itself: name another one with --to"
    NO_SUCH_TOPIC = "its topic doesn't exist: name one with --to"
    LIMIT = "it is in quarantine, sent back as often as --replay-limit allows: raise that to try again"
    GONE = "the record is no longer in the dead letter topic"
    NO_COPY = "the dead letter carries no copy of the record, and the original is gone"
    NOT_TAKEN = "the broker refuses it for good"


def too_large(topic: str, limit_bytes: int) -> str:
    """Why a record stays that its topic doesn't take."""
    return (
        f"it is larger than {topic} takes: raise its max.message.bytes ({limit_bytes} now),"
        " or name another topic with --to"
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


def is_topic_name(name: str) -> bool:
    """Whether a topic can have this name, and isn't one of Kafka's own."""
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
