"""Generated flows, and what may happen to an instance of one."""

from __future__ import annotations

import json
from typing import NamedTuple

from hypothesis import strategies as st

from flowtrail_collector.sagas.flow_file import parse_flows

__all__ = ["Happened", "flows_and_histories", "marks", "model_of", "types_of"]

NAMES = ("s0", "s1", "s2")


class Happened(NamedTuple):
    """An event: ms since the epoch, its type, and the id or the number that its payload has."""

    at: int
    kind: str
    value: str = ""


@st.composite
def written_flows(draw):
    """A flow as its file has it: up to three steps, in a row, beside or instead of each other."""
    steps = {}
    for number, name in enumerate(NAMES[: draw(st.integers(1, 3))]):
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
        if number and draw(st.booleans()):
            body["after"] = draw(st.sampled_from([["start"], ["s0"], list(steps)]))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            body["optional"] = True
            body.pop("failed", None)
        elif kind == 1 and number:
            body = {key: body[key] for key in body if key not in ("after", "again_after")}
            body["instead_of"] = draw(st.sampled_from(list(steps)))
        steps[name] = body
    last = next(reversed(steps))
    completes = draw(st.sampled_from([["End"], steps[last]["done"]]))
    cancels = {"cancels": ["Stop"]} if draw(st.integers(0, 3)) else {}
    return {"starts": ["Start"], "steps": steps, "completes": completes, **cancels}


def types_of(flow):
    """The types that may happen to an instance."""
    keys = ("done", "failed", "undone", "again_after", "asks")
    named = [kind for step in flow["steps"].values() for key in keys for kind in step.get(key, ())]
    counts = [step.get("times") for step in flow["steps"].values()]
    return ["Start", "Stop", *flow["completes"], *named, *(c["event"] for c in counts if isinstance(c, dict))]


@st.composite
def flows_and_histories(draw, most=10, within=False):
    """A flow with what happened to one instance, in no order."""
    flow = draw(written_flows())
    if within and draw(st.booleans()):
        flow["within"] = f"{draw(st.integers(2, 6))}s"
    moment = st.integers(0, 24).map(lambda half: half * 500)
    happened = st.tuples(moment, st.sampled_from(types_of(flow)), st.integers(0, 2))
    return flow, [_happened(*item) for item in draw(st.lists(happened, max_size=most))]


def _happened(at, kind, number):
    return Happened(at, kind, str(number) if kind.startswith("N") else ["", "a", "b"][number])


def model_of(flow):
    """The flow as the collector reads it."""
    return parse_flows(json.dumps({"flows": {"f": flow}})).by_name["f"]


def marks(history):
    """What happened as an instance keeps it."""
    return {number: _mark(*item) for number, item in enumerate(history, 1)}


def _mark(at, kind, value=""):
    name = "#$.n" if kind.startswith("N") else "$.id"
    return (at, kind, 0, ((name, value),)) if value else (at, kind, 0)
