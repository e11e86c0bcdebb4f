"""What is lit on the service map: the edges of a flow, or those that one trail went over."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from flowtrail_collector.sagas.model.view import FlowRow
from flowtrail_collector.topology.model import service_of
from flowtrail_collector.topology.view import EdgeView
from flowtrail_collector.trails.model import PUBLISHING_KINDS, EntryKind, Trail

__all__ = ["Lit", "of_flow", "of_trail"]

_READING_KINDS = frozenset({EntryKind.QUEUE, EntryKind.PROCESS, EntryKind.RETRY})


@dataclass(frozen=True, slots=True)
class Lit:
    """What stands out.

    Attributes:
        what: What it is, in words.
        writes: From a service to a topic.
        reads: From a topic to a service.
    """

    what: str
    writes: Collection[tuple[str, str]]
    reads: Collection[tuple[str, str]]

    def has_edge(self, view: EdgeView) -> bool:
        """Whether an edge is lit from one end to the other."""
        key = view.key
        return (key.source, key.topic) in self.writes and (key.topic, key.target) in self.reads


def of_flow(flow: FlowRow, views: Iterable[EdgeView]) -> Lit:
    """The edges over which types of a flow went.

    Args:
        flow: As the flow file says.
        views: All edges.
    """
    types = {*flow.starts, *flow.completes, *flow.cancels}
    for step in flow.steps:
        types.update(step.done, step.failed, step.undone)
    keys = [view.key for view in views if not types.isdisjoint(view.cause_types)]
    return Lit(
        f"flow {flow.name}",
        {(key.source, key.topic) for key in keys},
        {(key.topic, key.target) for key in keys},
    )


def of_trail(trail: Trail, wanted: str) -> Lit:
    """The edges that one trail went over.

    Args:
        trail: The trail.
        wanted: What it was asked for by.
    """
    events = [entry for entry in trail.entries if entry.topic and entry.kind in PUBLISHING_KINDS]
    topics = {entry.event_id: entry.topic or "" for entry in events if entry.event_id}
    writes = {(service_of(entry.service), entry.topic or "") for entry in events}
    reads = {
        (topics[entry.causation_id], service_of(entry.service))
        for entry in events
        if entry.causation_id in topics
    }
    for entry in trail.entries:
        if entry.topic and entry.kind in _READING_KINDS:
            reads.update((entry.topic, name) for name in (entry.group, entry.service) if name)
    return Lit(f"the trail of {wanted}", writes, reads)
