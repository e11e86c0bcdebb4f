"""What is said of a group's status and pace: the one place, for command line, console, API, tools and stuck orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowtrail_collector.wording import format_seconds

__all__ = ["QUEUE", "catch_up_words", "is_deserted", "needs_attention", "status_words", "verdict_words"]

_MEANINGS = {
    "rewound": "had its offsets moved back",
    "behind": "is falling behind: it reads more slowly than its topics are written",
    "stalled": "has members but commits nothing",
    "stopped": "has no members",
    "losing": "lost records to retention before it read them",
    "beyond": "committed past the end of the log",
    "uncommitted": "has members, none of which has committed yet",
}
_OF_QUEUES = {
    "behind": "is falling behind: it takes messages more slowly than they come",
    "stalled": "has consumers but they acknowledge nothing",
    "stopped": "has no consumers",
}
_HARMLESS = frozenset({"ok", "rewound"})
QUEUE = "queue"
"""The type of a group that is a queue of RabbitMQ."""


def is_deserted(status: str | None, members: int | None) -> bool:
    """Whether nobody reads: a status tells it where something is unread, its members where nothing is."""
    return status == "stopped" or members == 0


def verdict_words(
    status: str | None,
    members: int | None = None,
    kind: str | None = None,
    age_seconds: float | None = None,
) -> str:
    """How a group is in a few words, for a column; empty where nothing is known.

    Args:
        status: Name of its lag status.
        members: Who is in it; None if that isn't known.
        kind: Its type; of queues' consumers another word is said.
        age_seconds: How old that is, where its broker tells nothing newer; None where it is of now.
    """
    parts = [status or ""]
    if members == 0 and (status is None or status in _HARMLESS):
        parts.append("no consumers" if kind == QUEUE else "no members")
    said = ", ".join(filter(None, parts))
    if age_seconds is None:
        return said
    return f"{said or 'last read'} {format_seconds(age_seconds)} ago"


def status_words(status: str | None, members: int | None = None, kind: str | None = None) -> str:
    """What a status means, as a predicate of the group; empty where there is nothing to say.

    For the arguments see `verdict_words`.
    """
    if status == "stopped" and members:
        return f"has {'consumers' if kind == QUEUE else 'members'}, none of which reads what is waiting"
    meaning = (_OF_QUEUES if kind == QUEUE else {}).get(status or "") or _MEANINGS.get(status or "", "")
    if members == 0 and status in (None, *_HARMLESS):
        deserted = status_words("stopped", kind=kind)
        return f"{meaning}, and {deserted}" if meaning else deserted
    return meaning


def needs_attention(status: str | None) -> bool:
    """Whether somebody should look at a group, or at a topic that it reads."""
    return status is not None and status not in _HARMLESS


def catch_up_words(entry: Mapping[str, Any]) -> str:
    """When a group will have caught up: a time, `never` or `keeps pace`; empty where that isn't known.

    Args:
        entry: A group, or one of its topics, as the API answers it.
    """
    if entry["catching_up"] is False:
        # A record or two are always in flight in a group that reads as fast as others write.
        return "keeps pace" if entry["status"] == "ok" and entry.get("members") != 0 else "never"
    seconds = entry["catch_up_seconds"]
    return "" if seconds is None else format_seconds(seconds)
