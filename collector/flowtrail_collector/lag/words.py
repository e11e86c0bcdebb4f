"""What is said of a group's status and pace, in the same words on the command line and in the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowtrail_collector.wording import format_seconds

_MEANINGS = {
    "rewound": "its offsets were moved back",
    "behind": "is falling behind: it reads more slowly than its topics are written",
    "stalled": "has members, but commits nothing",
    "stopped": "has no members",
    "losing": "retention removed records before it read them",
    "beyond": "committed past the end of the log",
    "uncommitted": "has members, but none has committed yet",
}
_HARMLESS = frozenset({"ok", "rewound"})


def status_words(status: str | None) -> str:
    """What a status means, as a predicate of the group; empty where there is nothing to say."""
    return _MEANINGS.get(status or "", "")


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
        return "keeps pace" if entry["status"] == "ok" else "never"
    seconds = entry["catch_up_seconds"]
    return "" if seconds is None else format_seconds(seconds)
