"""A broker that doesn't answer, and what can't be read because of it: told as one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flowtrail_collector.broker_names import broker_of
from flowtrail_collector.conditions import PartState, condition_words
from flowtrail_collector.wording import clock, counted, unmistakable

__all__ = ["BROKERS", "PART", "Outage", "Told", "broker_said", "outages", "trouble_lines"]

BROKERS = ("Kafka", "RabbitMQ")
PART = "part"
# What brokers' clients say, as far as it is about the broker and not about one thing that it holds.
_SILENT = tuple((name, re.compile(rf"\bno {name} broker\b|\b{name}'s management API\b")) for name in BROKERS)
_ALARM = "takes no messages"
_TOGETHER_MS = 60_000
"""What began so long before its broker fell silent has another reason."""


class Told(NamedTuple):
    """Something that fails.

    Attributes:
        scope: `cluster`, `broker`, `topic`, `group`, or `part` for one of the collector itself.
        name: Which one.
        text: Why, in one line.
        since_ms: Since when, ms since the epoch; None if it was so before anybody looked.
    """

    scope: str
    name: str
    text: str
    since_ms: int | None = None


class Outage(NamedTuple):
    """A broker that doesn't answer.

    Attributes:
        broker: One of `BROKERS`.
        text: What is said of it, in one line.
        since_ms: Since when, ms since the epoch; None if it was so before anybody looked.
        of: What tells of it, or follows from it.
    """

    broker: str
    text: str
    since_ms: int | None
    of: frozenset[Told]


def outages(told: Collection[Told], unread: Mapping[str, int]) -> list[Outage]:
    """The brokers that don't answer.

    Args:
        told: What fails, whatever the reason.
        unread: How many groups of each broker can't be read now.
    """
    return [
        _outage(broker, signs, told, unread.get(broker, 0))
        for broker in BROKERS
        if (signs := [each for each in told if _is_sign(each, broker)])
    ]


def trouble_lines(
    parts: Mapping[str, str], failures: Iterable[Mapping[str, Any]], unread: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What fails, a line for each: a broker that doesn't answer is one, whatever fails because of it.

    Args:
        parts: Of the collector, and why they fail.
        failures: What can't be read, as the API answers it.
        unread: How many groups of each broker can't be read, and since when, as the API answers it.
    """
    unreadable = [
        Told(each["scope"], each["name"], each["reason"], _time_ms(each["since"])) for each in failures
    ]
    told = [Told(PART, name, text, _with(unreadable, text)) for name, text in parts.items()] + unreadable
    lines: list[str] = []
    over: frozenset[Told] = frozenset()
    for outage in outages(told, {broker: each["groups"] for broker, each in unread.items()}):
        since = unread[outage.broker]["since"] if outage.broker in unread else None
        lines.append(outage.text + (f", since {clock(since)}" if since else ""))
        over |= outage.of
    return lines + [_line(each) for each in told if each not in over]


def _line(told: Told) -> str:
    if told.scope == PART:
        return condition_words(told.name, PartState.FAILING, told.text)
    return f"{told.scope} {unmistakable(told.name)}: {told.text}"


def _time_ms(moment: str | None) -> int | None:
    return None if moment is None else int(datetime.fromisoformat(moment).timestamp() * 1000)


def _with(unreadable: Iterable[Told], text: str) -> int | None:
    """Since when a part fails that says this of a broker: that long something of it can't be read."""
    broker = broker_said(text)
    signs = [each.since_ms for each in unreadable if broker is not None and _is_sign(each, broker)]
    return min((since_ms for since_ms in signs if since_ms is not None), default=None)


def broker_said(text: str) -> str | None:
    """The broker of which a problem says that it doesn't answer; None if it says something else."""
    return next((name for name, pattern in _SILENT if pattern.search(text)), None)


def _is_sign(told: Told, broker: str) -> bool:
    said = broker_said(told.text)
    if told.scope == PART:
        return said == broker
    if told.scope == "cluster":
        return (told.name if told.name in BROKERS else said or "Kafka") == broker
    return told.scope == "broker" and _ALARM not in told.text and (said or "Kafka") == broker


def _outage(broker: str, signs: Sequence[Told], told: Collection[Told], groups: int) -> Outage:
    # The one that says most: what a client says of its broker, before what is slow.
    best = min(signs, key=lambda sign: (broker_said(sign.text) is None, "no " not in sign.text, sign.text))
    text = best.text if broker in best.text else f"{broker}: {best.scope} {best.name}: {best.text}"
    if groups:
        text += f"; {counted(groups, 'group')} can't be read because of it"
    times = [sign.since_ms for sign in signs if sign.since_ms is not None]
    since_ms = min(times) if len(times) == len(signs) else None
    found = frozenset(each for each in told if each in signs or _follows(each, broker, since_ms))
    return Outage(broker, text, since_ms, found)


def _follows(told: Told, broker: str, since_ms: int | None) -> bool:
    if told.scope not in ("group", "topic") or broker_of(told.name) != broker:
        return False
    if since_ms is None:
        return True
    return told.since_ms is not None and told.since_ms >= since_ms - _TOGETHER_MS
