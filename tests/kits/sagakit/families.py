"""Generated flows that wait for each other, what may happen to their instances, and what the docs' words make of it.

A family is a flow `f` whose step waits for instances of `c`, one of whose steps may wait for instances of `g`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from hypothesis import strategies

from sagakit.histories import Happened, changed_flow, write_flow, write_history
from sagakit.interpreter import FAR_MS, instances_of

__all__ = ["ABOVE", "KEYS", "Change", "Event", "as_told", "became_of", "changed_family", "children_first", "family_file",
           "parent_place", "write_events", "write_family"]  # fmt: skip

KEYS = {"f": ("f0", "f1"), "c": ("c0", "c1", "c2"), "g": ("g0", "g1")}
"""Under which instances of each flow may be found."""
ABOVE = {"c": "f", "g": "c"}
"""Which flow waits for which one's instances."""
_BELOW = {above: below for below, above in ABOVE.items()}
_FIRST_MS = 500  # a record at 0 ms has no time of its own
_OF_THE_FLOW = ("starts", "completes", "cancels")
_OF_A_STEP = ("done", "failed", "undone", "again_after", "asks")


class Event(NamedTuple):
    """Something that happened: to which flow's instance under which key, and which parent it names, if any."""

    flow: str
    key: str
    parent: str
    happened: Happened


class Change(NamedTuple):
    """That the flow file was another one at first.

    Attributes:
        flows: As that one has them, by name.
        read: Numbers of the events that were read by its words.
        swept_ms: Before which everything had been read when time was looked at for the last time by its words.
        begun: Instances of which the first start had been read by then, as (flow, key).
    """

    flows: dict
    read: set
    swept_ms: int
    begun: set


def write_family(draw, st=strategies):
    """Flows by name: two, or three."""
    names = ("f", "c", "g")[: 2 if draw(st.integers(0, 3)) else 3]
    flows = {name: write_flow(draw, st) for name in names}
    for name in names[:-1]:
        place = draw(st.sampled_from([{"field": "$.parent"}, "correlation"]))
        flows[name] = _waiting(draw, flows[name], _BELOW[name], place, st)
    return flows


def changed_family(draw, flows, st=strategies):
    """The same family as another file has it; where children name their parents stays as it is."""
    found = {}
    for name, flow in flows.items():
        found[name] = changed_flow(draw, flow, st) if draw(st.integers(0, 3)) else flow
        if parent_place(flow) is not None and parent_place(found[name]) is None:
            found[name] = _waiting(draw, found[name], _BELOW[name], parent_place(flow), st)
    return found


def _waiting(draw, flow, below, parent, st):
    """The same flow, with a step that waits for the instances of another one."""
    chosen = draw(st.sampled_from(list(flow["steps"])))
    body = {key: value for key, value in flow["steps"][chosen].items() if key not in ("done", "failed", "of")}
    body["children"] = {"flow": below, "parent": parent, "all": draw(st.integers(0, 3)) > 0}
    # No event says how children end, so none of that step can end the flow.
    completes = ["End"] if list(flow["steps"])[-1] == chosen else flow["completes"]
    return {**flow, "steps": {**flow["steps"], chosen: body}, "completes": completes}


def as_told(flow):
    """A flow whose steps that wait for children say what the parent is told of them, as `interpreter` takes it."""
    steps = {}
    for name, step in flow["steps"].items():
        words = {}
        if "children" in step:
            below = step["children"]["flow"]
            words = {"begun": f"{below} begun", "done": [f"{below} completed"], "failed": [f"{below} failed"]}
        steps[name] = {**step, **words}
    return {**flow, "steps": steps}


def family_file(flows):
    """The flows as their file has them: each has types of its own, and children are found by their record's key."""
    return {name: _typed(name, flow, below=name != "f") for name, flow in flows.items()}


def _typed(name, flow, *, below):
    def own(types):
        return [f"{name}{kind}" for kind in types]

    steps = {}
    for step, body in flow["steps"].items():
        times = body.get("times")
        steps[step] = {
            **body,
            **{key: own(body[key]) for key in _OF_A_STEP if key in body},
            **({"times": {**times, "event": name + times["event"]}} if isinstance(times, dict) else {}),
        }
    typed = {**flow, "steps": steps, **{key: own(flow[key]) for key in _OF_THE_FLOW if key in flow}}
    return {**typed, "correlate": "key"} if below else typed


def write_events(draw, flows, st=strategies):
    """What happened to a family, in no order."""
    found = []
    for name, flow in flows.items():
        above = flows.get(ABOVE.get(name))
        for key in KEYS[name][: draw(st.integers(1, len(KEYS[name])))]:
            history = write_history(draw, flow, 8, st)
            if draw(st.integers(0, 3)):
                history.append(Happened(draw(st.integers(0, 12)) * 500, "Start"))
            if above:
                history += _lives(draw, flow, st)
            for item in history:
                parent = _parent(draw, name, above, st) if item.kind == "Start" and above else ""
                if item.kind != "Stop" or "cancels" in flow:  # what no flow names is read by nobody
                    found.append(Event(name, key, parent, item._replace(at=item.at + _FIRST_MS)))
    return found


def _lives(draw, flow, st):
    """That an instance began and ended, and the next one began under its key."""
    found, at = [], draw(st.integers(0, 8)) * 500
    for _ in range(draw(st.integers(0, 2))):
        end = draw(st.sampled_from([*flow["completes"], *flow["completes"], "Stop"]))
        found += [Happened(at, "Start"), Happened(at + draw(st.integers(0, 4)) * 500, end)]
        at += draw(st.integers(1, 6)) * 500
    return found


def _parent(draw, name, above, st):
    keys = KEYS[ABOVE[name]]
    # The first one most often, so that it has several; some name none, where they need not.
    named = draw(st.sampled_from([keys[0], keys[0], keys[0], keys[1], ""]))
    return named or (keys[0] if parent_place(above) == "correlation" else "")


def parent_place(flow):
    """Where those name their parent for which a flow waits; None if it waits for none."""
    return next((step["children"]["parent"] for step in flow["steps"].values() if "children" in step), None)


def children_first(flows):
    """Names of the flows, none before those whose instances it waits for."""
    return sorted(flows, key="gcf".index)


def became_of(flows, events, change=None):
    """What became of a family.

    Args:
        flows: By whose words it is judged, by name.
        events: What happened.
        change: What the flow file was before; None if it never changed.

    Returns:
        The instances by (flow, key), the oldest first; and what happened to them, what they were told included.
    """
    before = {} if change is None else became_of(change.flows, _as_read(change.flows, events))[1]
    events = events if change is None else _as_read(flows, events, change)
    told, found = defaultdict(list), {}
    for event in events:
        told[event.flow, event.key].append(event.happened)
    for depth, name in enumerate(children_first(flows)):
        for place in sorted(place for place in told if place[0] == name):
            was = {} if change is None else _was(change, place, depth, before.get(place, ()))
            found[place] = instances_of(as_told(flows[name]), told[place], **was)
            starts = [event for event in events if (event.flow, event.key) == place and event.parent]
            for parent, news in _news(place, starts, found[place]):
                told[ABOVE[name], parent].append(news)
    return found, told


def _was(change, place, depth, heard):
    """How `instances_of` is told of the file before."""
    known_ms = change.swept_ms - 1_000 * (1 + depth)  # a second longer for each level of children
    before = as_told(change.flows[place[0]])
    return {"before": before, "known_ms": known_ms, "begun": place in change.begun, "heard": heard}


def _as_read(flows, events, change=None):
    """What is kept of events: those that the flow file names when they are read, with the values it asks for."""
    found = []
    for number, event in enumerate(events):
        flow = (change.flows if change and number in change.read else flows)[event.flow]
        kind = event.happened.kind
        if kind in _named(flow):
            value = event.happened.value if kind in _valued(flow) else ""
            found.append(event._replace(happened=event.happened._replace(value=value)))
    return found


def _named(flow):
    of_steps = {kind for step in flow["steps"].values() for key in _OF_A_STEP for kind in step.get(key, ())}
    return of_steps.union(_counting(flow), *(flow.get(key, ()) for key in _OF_THE_FLOW))


def _valued(flow):
    steps = [step for step in flow["steps"].values() if "of" in step]
    return _counting(flow).union(
        *(step.get(key, ()) for step in steps for key in ("done", "failed", "undone"))
    )


def _counting(flow):
    counts = [step.get("times") for step in flow["steps"].values()]
    return {count["event"] for count in counts if isinstance(count, dict)}


def _news(place, events, instances):
    """What parents are told of the instances under one key: (which of them, what)."""
    name, key = place
    starts = [(event.happened.at, event.parent) for event in events if event.happened.kind == "Start"]
    for at, parent in starts:
        yield parent, Happened(at, f"{name} begun", f"{key}@{at}")
    for number, item in enumerate(instances, 1):
        if item.outcome != "open":
            until = instances[number].started if number < len(instances) else FAR_MS
            word = "completed" if item.outcome == "completed" else "failed"
            for parent in sorted({parent for at, parent in starts if item.started <= at < until}):
                # Clocks may put an end before its start; nobody could know of it before that.
                known = max(item.ended, item.started)
                yield parent, Happened(known, f"{name} {word}", f"{key}@{item.started}")
