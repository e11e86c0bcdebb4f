"""Flows of a flow file as steps of EventCatalog's diagrams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from flowtrail_collector.documents.landscape import FlowShape

__all__ = ["flow_steps"]

Message = Callable[[str], dict[str, str] | None]
_START = "start"


def flow_steps(flow: FlowShape, message: Message) -> list[dict[str, Any]]:
    """The steps: each is an event; who has to move it stands on the way to it.

    Args:
        flow: The flow.
        message: What names an event of a type; None of one that was never seen.
    """
    chain = [(_START, list(flow.starts))]
    chain += [(f"step-{step.name}", list(step.done)) for step in flow.steps if step.done]
    last = chain[-1]
    if flow.completes and not set(flow.completes) & set(last[1]):
        chain.append(("completes", list(flow.completes)))
    found = [_node(name, types, message) for name, types in chain]
    following = {name: after for (name, _), (after, _) in pairwise(chain)}
    ways: dict[str, list[dict[str, str]]] = {name: [] for name, _ in chain}
    asides: list[dict[str, Any]] = []
    for before, name in following.items():
        ways[before].append({"id": name, "label": _label(flow, name)})
    for (before, _), step in zip(chain, [step for step in flow.steps if step.done], strict=False):
        for kind, types in (("failed", step.failed), ("undone", step.undone)):
            for type in types:
                id = f"{kind}-{step.name}-{type}"
                asides.append(_node(id, [type], message))
                ways[before if kind == "failed" else f"step-{step.name}"].append({"id": id, "label": kind})
    for type in flow.cancels:
        id = f"cancels-{type}"
        asides.append(_node(id, [type], message))
        ends = [node for node in asides if node["id"].startswith("failed-")]
        for node in ends:
            node.setdefault("next_steps", []).append({"id": id, "label": "cancels"})
        if not ends:
            ways[_START].append({"id": id, "label": "cancels"})
    for node in found:
        if ways[node["id"]]:
            node["next_steps"] = ways[node["id"]]
    return [*found, *asides]


def _node(id: str, types: Sequence[str], message: Message) -> dict[str, Any]:
    node: dict[str, Any] = {"id": id, "title": " or ".join(types)}
    named = next((found for type in types if (found := message(type)) is not None), None)
    if named is not None:
        return {**node, "message": named}
    return {**node, "custom": {"title": " or ".join(types), "summary": "Not seen yet."}}


def _label(flow: FlowShape, name: str) -> str:
    step = next((step for step in flow.steps if f"step-{step.name}" == name), None)
    if step is None:
        return "completes"
    return step.name if step.by is None else f"{step.name} by {step.by}"
