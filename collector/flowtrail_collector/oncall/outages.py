"""A broker that doesn't answer, and what fails because of it: told as one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from flowtrail_collector.broker_names import broker_of
from flowtrail_collector.oncall.model import Change, Kind, Place, earlier
from flowtrail_collector.wording import counted

__all__ = ["BROKERS", "broker_said", "with_outages"]

BROKERS = ("Kafka", "RabbitMQ")
# What brokers' clients say, as far as it is about the broker and not about one thing that it holds.
_SILENT = tuple((name, re.compile(rf"\bno {name} broker\b|\b{name}'s management API\b")) for name in BROKERS)
_ALARM = "takes no messages"
_TOGETHER_MS = 60_000
"""What began so long before its broker fell silent has another reason."""


def broker_said(text: str) -> str | None:
    """The broker of which a problem says that it doesn't answer; None if it says something else."""
    return next((name for name, pattern in _SILENT if pattern.search(text)), None)


def with_outages(changes: Sequence[Change], groups: Iterable[str]) -> list[Change]:
    """The changes, and one for each broker that doesn't answer, of which those that follow from it say so.

    Args:
        changes: Parts that don't work, and what can't be read.
        groups: Those whose figures can't be read now.
    """
    unread = list(groups)
    found = list(changes)
    for broker in BROKERS:
        signs = [change for change in changes if _is_sign(change, broker)]
        if not signs:
            continue
        outage = _outage(broker, signs, sum(broker_of(group) == broker for group in unread))
        found = [_blamed(change, outage) if _follows(change, outage) else change for change in found]
        found.append(outage)
    return found


def _is_sign(change: Change, broker: str) -> bool:
    if change.kind is Kind.COLLECTOR:
        return broker_said(change.text) == broker
    if change.kind is not Kind.UNREADABLE:
        return False
    scope, name = change.name
    said = broker_said(change.text)
    if scope == "cluster":
        return (name if name in BROKERS else said or "Kafka") == broker
    return scope == "broker" and _ALARM not in change.text and (said or "Kafka") == broker


def _outage(broker: str, signs: Sequence[Change], groups: int) -> Change:
    # The one that says most: what a client says of its broker, before what is slow.
    best = min(signs, key=lambda sign: (broker_said(sign.text) is None, "no " not in sign.text, sign.text))
    said = best.text.partition(": ")[2] or best.text
    text = said if broker in said else f"{broker}: {best.text}"
    if groups:
        text += f"; {counted(groups, 'group')} can't be read because of it"
    since_ms = signs[0].since_ms
    for sign in signs[1:]:
        since_ms = earlier(since_ms, sign.since_ms)
    return Change(
        Kind.BROKER,
        (broker,),
        text,
        Place("/collector", "flowtrail doctor"),
        max(sign.touched for sign in signs),
        since_ms=since_ms,
    )


def _follows(change: Change, outage: Change) -> bool:
    (broker,) = outage.name
    if change.kind is Kind.COLLECTOR:
        return broker_said(change.text) == broker
    if change.kind is not Kind.UNREADABLE:
        return False
    if _is_sign(change, broker):
        return True
    scope, name = change.name
    if scope not in ("group", "topic") or broker_of(name) != broker:
        return False
    if outage.since_ms is None:
        return True
    return change.since_ms is not None and change.since_ms >= outage.since_ms - _TOGETHER_MS


def _blamed(change: Change, outage: Change) -> Change:
    return replace(change, because=outage.key)
