"""What a flow file says and can hardly mean: read all the same, and told by `flowtrail flows check`."""

from __future__ import annotations

from collections.abc import Iterator

from flowtrail_collector.sagas.model.flows import Flow, Step

__all__ = ["doubts"]


def doubts(flow: Flow) -> Iterator[str]:
    """Sentences, each about one thing that its author may want to change."""
    ends = dict.fromkeys(flow.completes, "completes") | dict.fromkeys(flow.cancels, "cancels")
    over = _over_with_the_end(flow)
    for step in flow.steps:
        where = f"step '{step.name}' of flow '{flow.name}'"
        if step.within_ms is not None and flow.within_ms is not None and step.within_ms > flow.within_ms:
            yield f"{where} may take longer than the flow itself: its 'within' never counts"
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
            yield f"'{kind}' begins {where} anew, and means something else there: the round ends as it begins"


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
