"""What was published, counted by topic, type, service and version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flowtrail_collector.topology.model import service_of

__all__ = ["Alike", "Published", "PublishedKey", "count_published", "version_of"]

_VERSION = re.compile(r"(?:^[^/]+|/versions)/(\d{1,9})$")


class Alike(NamedTuple):
    """What events have in common that are counted together: of what is looked at they differ in their times only.

    Attributes:
        keyed: Whether their records have a key.
        keyed_by_subject: Whether that is their subject.
    """

    topic: str
    type: str
    source: str | None
    dataschema: str | None
    keyed: bool
    keyed_by_subject: bool


class PublishedKey(NamedTuple):
    """A type in one version (empty: it names none), as a service publishes it to a topic."""

    topic: str
    type: str
    service: str
    version: str


class Published(NamedTuple):
    """How much of it there was.

    Attributes:
        events: Events.
        keyed: Those whose record has a key.
        keyed_by_subject: Those whose key is their subject.
        first_ms: When the first one was written, in ms since the epoch.
        last_ms: When the last one was.
    """

    events: int
    keyed: int
    keyed_by_subject: int
    first_ms: int
    last_ms: int


def version_of(dataschema: str | None) -> str:
    """The version in `OrderPlaced/2` or `https://.../subjects/OrderPlaced/versions/2`; empty if it names none."""
    found = _VERSION.search(dataschema or "")
    return found[1] if found else ""


def count_published(
    known: dict[PublishedKey, Published], found: Mapping[Alike, Sequence[int]], *, most: int
) -> set[PublishedKey]:
    """Add events to what is known.

    Args:
        known: What is known; changed in place.
        found: What is new: the times of the records, in ms since the epoch, of events that are alike; at least one.
        most: Further types are left out: made-up ones can't fill the store.

    Returns:
        What changed.
    """
    changed: set[PublishedKey] = set()
    for alike, moments in found.items():
        key = PublishedKey(alike.topic, alike.type, service_of(alike.source), version_of(alike.dataschema))
        events, first_ms, last_ms = len(moments), min(moments), max(moments)
        before = known.get(key)
        if before is None:
            if len(known) >= most:
                continue
            before = Published(0, 0, 0, first_ms, last_ms)
        known[key] = Published(
            before.events + events,
            before.keyed + events * alike.keyed,
            before.keyed_by_subject + events * alike.keyed_by_subject,
            min(before.first_ms, first_ms),
            max(before.last_ms, last_ms),
        )
        changed.add(key)
    return changed
