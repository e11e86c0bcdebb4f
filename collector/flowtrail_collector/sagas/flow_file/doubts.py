"""What a flow file says and can hardly mean: read all the same, and told by `flowtrail flows check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowtrail_collector.events.mapping import TopicMapping
from flowtrail_collector.sagas.model.flows import Flow, Flows, Step

__all__ = ["doubts", "file_doubts"]

_FOR_PEOPLE_MS = 12 * 3_600_000
"""What may take as long waits for people, most likely."""


def file_doubts(flows: Flows) -> Iterator[str]:
    """Sentences about a whole file: what is said of each of its flows, and what they have to do with each other."""
    started: dict[str, str] = {}
    for flow in flows.by_name.values():
        yield from doubts(flow)
        for kind in flow.starts:
            if kind in started:
                yield f"'{kind}' starts flow '{started[kind]}' and flow '{flow.name}': it counts in both"
            started.setdefault(kind, flow.name)
    yield from _overlapping(flows.mapping.all)


def _overlapping(mappings: Sequence[TopicMapping]) -> Iterator[str]:
    for place, mapping in enumerate(mappings):
        before = next((m for m in mappings[:place] if m.pattern.fullmatch(mapping.name)), None)
        if before is not None:
            yield f"mapping '{mapping.name}' never counts: '{before.name}' stands before it and fits as well"
        own = mapping.sources.get("id", ())
        if own and own == mapping.sources.get("correlation"):
            yield (
                f"mapping '{mapping.name}' takes 'id' and 'correlation' from the same place: events of one type and"
                " instance would be one event"
            )


def doubts(flow: Flow) -> Iterator[str]:
    """Sentences, each about one thing that its author may want to change."""
    ends = dict.fromkeys(flow.completes, "completes") | dict.fromkeys(flow.cancels, "cancels")
    over = _over_with_the_end(flow)
    for step in flow.steps:
        where = f"step '{step.name}' of flow '{flow.name}'"
        if step.within_ms is not None and flow.within_ms is not None and step.within_ms > flow.within_ms:
            yield f"{where} may take longer than the flow itself: its 'within' never counts"
        yield from _unreachable(flow, step, where)
        if (
            step.within_ms is not None
            and step.within_ms >= _FOR_PEOPLE_MS
            and not set(step.failed) <= set(flow.ending)  # nor can it be asked for again when all is over
            and not _anew(flow, step)
        ):
            yield (
                f"{where} waits for people, by its 'within', and may fail: where it can be asked for again, say with"
                " what ('again_after'), or its deadline goes on counting from its first turn"
            )
        if step.name in over and not step.optional:
            yield f"{where} has its turn only when the flow has completed: nobody will wait for it"
        if step.children is None and step.of is not None and step.single and not step.undone:
            yield f"'of' of {where} makes no difference: it is done once, and nothing takes it back"
        for key in ("failed", "undone", "again_after"):
            for kind in sorted(set(getattr(step, key)) & ends.keys()):
                if not (key == "failed" and ends[kind] == "cancels"):
                    yield f"'{kind}' stands in '{key}' of {where}, and {ends[kind]} the flow"
        for kind in sorted(set(step.asks) & ends.keys()):
            yield f"'{kind}' asks for {where}, and {ends[kind]} the flow"
        for kind in sorted(set(step.again_after) & {*step.done, *step.failed, *step.undone, *flow.starts}):
            yield f"'{kind}' restarts {where}, and means something else there: the round ends as it begins"


def _unreachable(flow: Flow, step: Step, where: str) -> Iterator[str]:
    """What keeps a step from being done, or from having its turn, whatever comes."""
    for kind in sorted(set(step.done) & set(flow.starts)):
        yield f"'{kind}' starts flow '{flow.name}' and says that {where} was done: nobody ever waits for that"
    if set(step.done) <= set(flow.cancels):
        yield f"{where} can't be done before the flow is cancelled: no event reaches it"
    for one, other in (("done", "failed"), ("done", "undone"), ("failed", "undone")):
        for kind in sorted(set(getattr(step, one)) & set(getattr(step, other))):
            yield f"'{kind}' stands in '{one}' and in '{other}' of {where}"


def _anew(flow: Flow, step: Step) -> bool:
    """Whether a step may have its turn anew, by the file's word or as what brings it comes again, or another may do."""
    return step.name in flow.again or bool(step.after) or step.name in flow.alternatives


def _over_with_the_end(flow: Flow) -> set[str]:
    """Steps whose turn comes after one that completes the flow."""
    ends = set(flow.completes)

    def completes(step: Step) -> bool:
        return set(step.done) <= ends and step.name not in flow.alternatives

    over: set[str] = set()
    ending = {step.name for step in flow.steps if completes(step) and not step.optional}
    for step in flow.steps:
        if any(name in ending or name in over for name in step.after):
            over.add(step.name)
    return over
