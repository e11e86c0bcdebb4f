"""What a parent is told of its children: that one began, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator

from flowtrail_collector.events.identity import id_hash
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.events.sources import Look
from flowtrail_collector.sagas.model.assessment import Mark, Outcome
from flowtrail_collector.sagas.model.fields import Field, Values
from flowtrail_collector.sagas.model.flows import CHILD, Children, Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord

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
    if saga.ended_ms is None or saga.outcome in (Outcome.OPEN, Outcome.RETIRED):
        return
    for parent, children in flows.parents.get(saga.flow, ()):
        word = children.completed if saga.outcome is Outcome.COMPLETED else children.failed
        unique = id_hash("\0".join((word, saga.key, str(saga.instance), str(saga.ended_ms))))
        for key in _named(saga, children):
            yield SagaKey(parent, key), unique, (saga.ended_ms, word, 0, ((CHILD.name, saga.key),))


def parents_of(flows: Flows, saga: SagaRecord) -> list[SagaKey]:
    """Those that wait for an instance."""
    waiting = flows.parents.get(saga.flow, ())
    return [SagaKey(parent, key) for parent, children in waiting for key in _named(saga, children)]


def _named(saga: SagaRecord, children: Children) -> list[str]:
    """The keys of its parents, as its starts say them."""
    keys = {dict(mark[3]).get(children.parent_name) for mark in saga.events.values() if len(mark) > 3}
    return sorted(key for key in keys if key)


def open_children(flow: Flow, saga: SagaRecord) -> dict[str, list[str]]:
    """For each step that waits for children: those that haven't ended well, in the order in which they began."""
    found: dict[str, list[str]] = {}
    for step in flow.steps:
        if step.children is not None:
            begun, done = _told(saga, step.children.begun), set(_told(saga, step.children.completed))
            found[step.name] = [child for child in begun if child not in done]
    return found


def _told(saga: SagaRecord, word: str) -> list[str]:
    marks = sorted((mark[0], mark[3]) for mark in saga.events.values() if mark[1] == word and len(mark) > 3)
    return list(dict.fromkeys(dict(values)[CHILD.name] for _, values in marks))
