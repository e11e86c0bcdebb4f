"""What a parent is told of its children: that one began, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator

from flowtrail_collector.events.identity import id_hash
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.events.sources import Look
from flowtrail_collector.sagas.model.assessment import Mark, Outcome, assess
from flowtrail_collector.sagas.model.fields import Field, Values
from flowtrail_collector.sagas.model.flows import CHILD, Children, Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.news import latest
from flowtrail_collector.sagas.model.seen import Seen

__all__ = ["beginning", "ending", "open_children", "parent_of", "parents_of"]


def parent_of(children: Children, event: EventRow, look: Look) -> str | None:
    """The key of the parent that the start of a child names.

    Raises:
        NothingError: Its payload doesn't.
    """
    if isinstance(children.parent, Field):
        return children.parent.read(look)
    return children.parent.of(event)


def beginning(children: Children, event: EventRow, child: str) -> tuple[EventRow, Values]:
    """What the parent is told of a child's start."""
    told = event._replace(type=children.begun, causation_id=None, subject=None)
    return told, ((CHILD.name, child),)


def ending(flows: Flows, saga: SagaRecord) -> Iterator[tuple[SagaKey, int, Mark]]:
    """Whom to tell that an instance has ended: (the parent, the news' hash, the news)."""
    if saga.ended_ms is None or saga.started_ms is None or saga.outcome in (Outcome.OPEN, Outcome.RETIRED):
        return
    # Clocks may put an end before its start; nobody could know of it before that.
    known_ms = max(saga.ended_ms, saga.started_ms)
    for parent, children in flows.parents.get(saga.flow, ()):
        word = children.completed if saga.outcome is Outcome.COMPLETED else children.failed
        unique = id_hash("\0".join((word, saga.key, str(saga.instance), str(saga.ended_ms))))
        values = ((CHILD.name, saga.key),)
        for key in _named(saga, children, known_ms):
            yield SagaKey(parent, key), unique, (known_ms, word, 0, values)


def parents_of(flows: Flows, saga: SagaRecord) -> list[SagaKey]:
    """Those that wait for an instance."""
    waiting = flows.parents.get(saga.flow, ())
    return [SagaKey(parent, key) for parent, children in waiting for key in _named(saga, children)]


def _named(saga: SagaRecord, children: Children, until_ms: int | None = None) -> list[str]:
    """The keys of its parents, as its starts say them.

    Args:
        saga: The instance.
        children: How its parents wait for it.
        until_ms: A start behind that is the next one's, which may have been read already.
    """
    own = [mark for mark in saga.events.values() if until_ms is None or mark[0] <= until_ms]
    keys = {dict(mark[3]).get(children.parent_name) for mark in own if len(mark) > 3}
    return sorted(key for key in keys if key)


def open_children(flow: Flow, saga: SagaRecord) -> dict[str, list[str]]:
    """For each step that waits for children: those of its round that haven't ended well, as they began."""
    found: dict[str, list[str]] = {}
    seen = Seen(saga.events)
    for item in assess(flow, saga.events).steps:
        if item.step.children is not None:
            told = latest(item.step.children, seen, item.round_ms or None).values()
            found[item.step.name] = [news.child for news in told if news.failed or not news.ended]
    return found
