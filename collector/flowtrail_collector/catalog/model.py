"""What was published, counted by topic, type, service and version."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from flowtrail_collector.topology.model import service_of

__all__ = ["Published", "PublishedKey", "Seen", "count_published", "version_of"]

_VERSION = re.compile(r"(?:^[^/]+|/versions)/(\d{1,9})$")


class Seen(NamedTuple):
    """What is looked at of an event; `at_ms` is the time of its record, in ms since the epoch."""

    topic: str
    type: str
    source: str | None
    dataschema: str | None
    key: str | None
    subject: str | None
    at_ms: int


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
    known: dict[PublishedKey, Published], events: Iterable[Seen], *, most: int
) -> set[PublishedKey]:
    """Add events to what is known.

    Args:
        known: What is known; changed in place.
        events: What is new.
        most: Further types are left out: made-up ones can't fill the store.

    Returns:
        What changed.
    """
    changed: set[PublishedKey] = set()
    keys: dict[tuple[str | None, ...], PublishedKey] = {}  # they are few, events many
    for event in events:
        key = keys.get(event[:4])
        if key is None:
            key = PublishedKey(
                event.topic, event.type, service_of(event.source), version_of(event.dataschema)
            )
            keys[event[:4]] = key
        before = known.get(key)
        if before is None:
            if len(known) >= most:
                continue
            before = Published(0, 0, 0, event.at_ms, event.at_ms)
        known[key] = Published(
            before.events + 1,
            before.keyed + (event.key is not None),
            before.keyed_by_subject + (event.key is not None and event.key == event.subject),
            min(before.first_ms, event.at_ms),
            max(before.last_ms, event.at_ms),
        )
        changed.add(key)
    return changed
