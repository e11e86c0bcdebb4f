"""What is said of changes, on the terminal and in the console, by what the API answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flowtrail_collector.conditions import condition_words
from flowtrail_collector.wording import age, counted, format_seconds

__all__ = [
    "checked_words",
    "ended_words",
    "lasting_words",
    "since_words",
    "starting_words",
    "touched_words",
    "watched_words",
]

_SPAN_SECONDS = 1_800


def touched_words(change: Mapping[str, Any]) -> str:
    """How many orders, or messages, a change touches; empty where nobody can tell."""
    return counted(change["touched"], change["of"].removesuffix("s")) if change["touched"] else ""


def since_words(change: Mapping[str, Any]) -> str:
    """When it began, as far as is known."""
    return "before it was watched" if change["since"] is None else age(change["since"])


def ended_words(change: Mapping[str, Any]) -> str:
    """That it is over, and since when; empty while it goes on."""
    return "" if change["ended"] is None else f"ended {age(change['ended'])}"


def starting_words(report: Mapping[str, Any]) -> str:
    """The parts of the collector that are about to begin; empty where none is."""
    return " ".join(
        condition_words(part, each["state"], each["reason"]) + "."
        for part, each in report["starting"].items()
    )


def lasting_words(report: Mapping[str, Any]) -> str:
    """What has gone on for longer, and isn't listed."""
    count = report["lasting"]
    if not count:
        return ""
    have = "has" if count == 1 else "have"
    return f"{counted(count, 'group')} {have} needed attention for longer than 30 minutes: flowtrail lag."


def checked_words(report: Mapping[str, Any]) -> str:
    """What was looked at."""
    checked = report["checked"]
    known = {"consumer group": checked["groups"], "flow": checked["flows"], "topic": checked["topics"]}
    told = [counted(count, what) for what, count in known.items() if count is not None] + ["dead letters"]
    pending = [f"{what}s" for what, count in known.items() if count is None]
    (told if report["watched_since"] else pending).append("the collector itself")
    said = f"Checked: {_listed(told)}."
    return f"{said} The first look at {_listed(pending)} is under way." if pending else said


def watched_words(report: Mapping[str, Any], *, now: datetime | None = None) -> str:
    """That the collector hasn't watched for the whole span; empty if it has."""
    if report["watched_since"] is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(report["watched_since"])).total_seconds()
    if seconds >= _SPAN_SECONDS:
        return ""
    watched = format_seconds(max(0.0, seconds))
    return f"This collector has watched consumer groups for {watched}: what they did before isn't known."


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)}{',' if len(most) > 1 else ''} and {last}" if most else last
