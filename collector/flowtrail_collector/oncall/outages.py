"""What follows from a broker that doesn't answer says so: people on call hear of the broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flowtrail_collector.lag.outages import PART, Outage, Told, outages
from flowtrail_collector.oncall.model import Change, Kind, Place

__all__ = ["with_outages"]


def with_outages(changes: Sequence[Change], unread: Mapping[str, int]) -> list[Change]:
    """The changes, and one for each broker that doesn't answer, of which those that follow from it say so.

    Args:
        changes: Parts that don't work, and what can't be read.
        unread: How many groups of each broker can't be read now.
    """
    told = {change.key: found for change in changes if (found := _told(change)) is not None}
    result = list(changes)
    for outage in outages(list(told.values()), unread):
        blamed = [change for change in result if told.get(change.key) in outage.of]
        broken = _broken(outage, max(change.touched for change in blamed))
        result = [replace(change, because=broken.key) if change in blamed else change for change in result]
        result.append(broken)
    return result


def _told(change: Change) -> Told | None:
    said = change.text.partition(": ")[2] or change.text
    if change.kind is Kind.COLLECTOR:
        return Told(PART, change.name[0], said, change.since_ms)
    if change.kind is Kind.UNREADABLE:
        return Told(change.name[0], change.name[1], said, change.since_ms)
    return None


def _broken(outage: Outage, touched: int) -> Change:
    place = Place("/collector", "flowtrail doctor")
    about = (("broker", outage.broker), ("said", outage.text))
    return Change(
        Kind.BROKER, (outage.broker,), outage.text, place, touched, since_ms=outage.since_ms, about=about
    )
