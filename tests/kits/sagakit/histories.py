"""Generated flows, and what may happen to an instance of one."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies
from ruamel.yaml.comments import CommentedMap

from flowtrail_collector.sagas.flow_file import read_flows

__all__ = ["Happened", "before_renaming", "changed_flow", "flows_and_histories", "flows_of", "marks", "model_of", "types_of", "write_flow",
           "write_history"]  # fmt: skip

NAMES = ("s0", "s1", "s2")


class Happened(NamedTuple):
    """An event: ms since the epoch, its type, and the id or the number that its payload has."""

    at: int
    kind: str
    value: str = ""


def write_flow(draw, st=strategies):
    """A flow as its file has it: up to three steps, in a row, beside or instead of each other.

    Args:
        draw: Takes one of what a strategy has to offer.
        st: Makes strategies: `hypothesis.strategies`, or `sagakit.chances`.
    """
    steps = {}
    for number, name in enumerate(NAMES[: draw(st.integers(1, 3))]):
        body = _write_step(draw, number, st)
        if number and draw(st.booleans()):
            body["after"] = draw(st.sampled_from([["start"], ["s0"], list(steps)]))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            body["optional"] = True
        elif kind == 1 and number:
            body = {key: body[key] for key in body if key not in ("after", "again_after")}
            body["instead_of"] = draw(st.sampled_from(list(steps)))
        steps[name] = body
    last = next(reversed(steps))
    completes = draw(st.sampled_from([["End"], steps[last]["done"]]))
    cancels = {"cancels": ["Stop"]} if draw(st.integers(0, 3)) else {}
    within = {"within": f"{draw(st.integers(2, 9))}s"} if draw(st.integers(0, 3)) == 0 else {}
    return {"starts": ["Start"], "steps": steps, "completes": completes, **cancels, **within}


def _write_step(draw, number, st):
    body = {"done": [f"D{number}"], "within": f"{draw(st.integers(1, 4))}s"}
    if draw(st.booleans()):
        body["failed"] = [f"F{number}"]
    if draw(st.booleans()):
        body["undone"] = [f"U{number}"]
    if draw(st.integers(0, 3)) == 0:
        body["again_after"] = [f"A{number}"]
    times = draw(st.integers(0, 7))
    if times < 3:
        body["times"] = 2 if times < 2 else {"event": f"N{number}", "field": "$.n"}
    if draw(st.integers(0, 3)) == 0:
        body["asks"] = [f"Q{number}"]
    if draw(st.integers(0, 3)) == 0:
        body["of"] = {"field": "$.id"}
    if draw(st.integers(0, 3)) == 0:
        body["was"] = [f"old{number}"]
    return body


def before_renaming(flow):
    """The same flow as an earlier file had it, in which steps had the names that they `was` given."""
    names = {name: step.get("was", [name])[0] for name, step in flow["steps"].items()} | {"start": "start"}
    steps = {}
    for name, step in flow["steps"].items():
        body = {key: value for key, value in step.items() if key != "was"}
        if "after" in body:
            body["after"] = [names[other] for other in body["after"]]
        if "instead_of" in body:
            body["instead_of"] = names[body["instead_of"]]
        steps[names[name]] = body
    return {**flow, "steps": steps}


def changed_flow(draw, flow, st):
    """The same flow as another file has it: other limits, names, a step more or less, other words for a round."""
    kind = draw(st.integers(0, 3))
    if kind < 2:
        return write_flow(draw, st)
    if kind == 2 and any("was" in step for step in flow["steps"].values()):
        return before_renaming(flow)
    steps = {name: {**step, "within": f"{draw(st.integers(1, 4))}s"} for name, step in flow["steps"].items()}
    return {**flow, "steps": steps, "completes": draw(st.sampled_from([["End"], flow["completes"]]))}


def types_of(flow):
    """The types that may happen to an instance."""
    keys = ("done", "failed", "undone", "again_after", "asks")
    named = [kind for step in flow["steps"].values() for key in keys for kind in step.get(key, ())]
    counts = [step.get("times") for step in flow["steps"].values()]
    return ["Start", "Stop", *flow["completes"], *named, *(c["event"] for c in counts if isinstance(c, dict))]


def write_history(draw, flow, most=10, st=strategies):
    """What happened to one instance, in no order."""
    moment = st.integers(0, 24).map(lambda half: half * 500)
    happened = st.tuples(moment, st.sampled_from(types_of(flow)), st.integers(0, 2))
    return [_happened(*item) for item in draw(st.lists(happened, max_size=most))]


def _happened(at, kind, number):
    return Happened(at, kind, str(number) if kind.startswith("N") else ["", "a", "b"][number])


@strategies.composite
def flows_and_histories(draw, most=10):
    """A flow with what happened to one instance."""
    flow = write_flow(draw)
    return flow, write_history(draw, flow, most)


def model_of(flow):
    """The flow as the collector reads it."""
    return flows_of({"f": flow}).by_name["f"]


def flows_of(flows):
    """Flows as the collector reads them; writing and parsing YAML would take nearly all of a run's time."""
    text = repr(flows)
    if text not in _read:
        if len(_read) == _MOST_READ:
            _read.clear()
        _read[text] = read_flows(_as_parsed({"flows": flows}))
    return _read[text]


_read = {}  # several histories of one flow come one after the other
_MOST_READ = 100


def _as_parsed(written):
    if isinstance(written, dict):
        return CommentedMap((key, _as_parsed(value)) for key, value in written.items())
    return written


def marks(history):
    """What happened as an instance keeps it."""
    return {number: _mark(*item) for number, item in enumerate(history, 1)}


def _mark(at, kind, value=""):
    name = "#$.n" if kind.startswith("N") else "$.id"
    return (at, kind, 0, ((name, value),)) if value else (at, kind, 0)
