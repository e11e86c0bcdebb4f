"""Reads the forms of a step that know more of its events than their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import replace

from ruamel.yaml.comments import CommentedMap

from flowtrail_collector.events.sources import FromField, parse_path
from flowtrail_collector.sagas.flow_file.mistakes import Mistakes
from flowtrail_collector.sagas.model.fields import CountFrom, Field
from flowtrail_collector.sagas.model.flows import Children, Correlate, Flow, Flows, Step

__all__ = ["FlowForms"]


_CHILDREN_KEYS = ("flow", "parent", "all")


class FlowForms:
    """Reads them from the body of a step.

    Args:
        mistakes: Where what is wrong is noted.
        types: Reads the event types of a key.
    """

    def __init__(self, mistakes: Mistakes, types: Callable[[CommentedMap, str], tuple[str, ...]]) -> None:
        self._mistakes = mistakes
        self._wrong = mistakes.wrong
        self._known_keys = mistakes.known_keys
        self._types = types

    def count(self, body: CommentedMap, value: CommentedMap) -> CountFrom:
        """Which event says how often the step is to be done: the mapping `value` of its key `times`."""
        self._known_keys(value, ("event", "field"), "'times'")
        if "event" not in value:
            self._wrong(body, "times", "'times' needs 'event': the event type that says how many it takes")
        return CountFrom(self._types(value, "event"), self._field(body, "times", value, counts=True))

    def of(self, body: CommentedMap) -> Field | None:
        """The id by which what is done is told from others of the step."""
        if "of" not in body:
            return None
        value = body["of"]
        if not isinstance(value, CommentedMap):
            self._wrong(body, "of", "'of' takes a field of the payload, such as {field: $.parcel}")
        self._known_keys(value, ("field",), "'of'")
        return self._field(body, "of", value)

    def children(self, body: CommentedMap) -> Children | None:
        """Whose ends say how the step ends."""
        if "children" not in body:
            return None
        value = body["children"]
        if not isinstance(value, CommentedMap):
            self._wrong(body, "children", "'children' takes a 'flow' and its 'parent'")
        self._mistakes.attempt(self._known_keys, value, _CHILDREN_KEYS, "'children'", instead=None)
        for key in ("done", "failed", "of"):
            if key in body:
                self._wrong(body, key, f"a step with 'children' has no '{key}': their ends say how it ends")
        for key in ("flow", "parent"):
            if self._mistakes.lacks(value, key, _CHILDREN_KEYS):
                self._wrong(body, "children", f"'children' needs '{key}'")
        parent = self._parent(value) if "parent" in value else Correlate.CORRELATION
        if not isinstance(value.get("flow", ""), str):
            self._wrong(value, "flow", "'flow' must be the name of a flow of this file")
        every = value.get("all", True)
        if not isinstance(every, bool):
            self._wrong(value, "all", "'all' must be true or false")
        return Children(str(value["flow"]), parent, every) if "flow" in value else None

    def _parent(self, value: CommentedMap) -> Field | Correlate:
        parent = value["parent"]
        if isinstance(parent, CommentedMap):
            self._known_keys(parent, ("field",), "'parent'")
            return self._field(value, "parent", parent)._replace(whole=True)
        if not isinstance(parent, str) or parent not in list(Correlate):
            words = ", ".join(Correlate)
            self._wrong(
                value, "parent", f"'parent' takes a field such as {{field: $.order}}, or one of {words}"
            )
        return Correlate(parent)

    def with_depth(self, bodies: CommentedMap, read: Sequence[Flow]) -> list[Flow]:
        """The flows, knowing how many levels of children they have; there is no flow below itself."""
        flows = Flows.of(read)
        return [
            replace(flow, steps=tuple(self._deep(bodies, flows, flow, step) for step in flow.steps))
            for flow in read
        ]

    def _deep(self, bodies: CommentedMap, flows: Flows, flow: Flow, step: Step) -> Step:
        if step.children is None:
            return step
        body = bodies[flow.name]["steps"][step.name]["children"]
        if step.children.flow not in bodies:
            self._wrong(body, "flow", f"there is no flow '{step.children.flow}' in this file")
        depth = _depth(flows, step.children.flow, {flow.name})
        if depth is None:
            self._wrong(body, "flow", "these flows would wait for each other in a circle")
        return replace(step, children=replace(step.children, depth=depth))

    def _field(self, body: CommentedMap, key: str, value: CommentedMap, *, counts: bool = False) -> Field:
        """The place in the payload that the mapping `value` names in its key `field`."""
        if "field" not in value:
            self._wrong(body, key, f"'{key}' needs 'field': a place in the payload, such as $.parcel")
        text = value["field"]
        try:
            place = FromField(parse_path(text if isinstance(text, str) else ""))
        except ValueError:
            self._wrong(
                value, "field", "'field' takes a path such as $.order.id, $.lines[0].sku or $['odd name']"
            )
        return Field(f"#{text}" if counts else str(text), place, counts)


def _depth(flows: Flows, name: str, above: Set[str]) -> int | None:
    """How many levels there are from a flow down, itself included; None if it is one of those above it."""
    if name in above or name not in flows.by_name:
        return None if name in above else 1
    below = [step.children.flow for step in flows.by_name[name].steps if step.children is not None]
    depths = [_depth(flows, other, {*above, name}) for other in below]
    if None in depths:
        return None
    return 1 + max((depth for depth in depths if depth is not None), default=0)
