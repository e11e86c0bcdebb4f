"""Flows and instances of which most are simple: each type once, in any order, and nothing failed."""

from __future__ import annotations

from flowtrail_collector.sagas.model.flows import Flow, Step
from sagakit.histories import marks, model_of

__all__ = ["ORDERS", "SIMPLE", "nearly_simple"]

ORDERS = Flow(
    "orders",
    ("Placed",),
    (
        Step("pay", ("Paid",), failed=("Declined",), undone=("Refunded",), within_ms=10_000),
        Step("ship", ("Shipped",), within_ms=20_000, after=("pay",)),
    ),
    ("Delivered",),
    ("Cancelled",),
    within_ms=60_000,
)
"""A flow with limits, whose first step can fail and be undone."""
SIMPLE = [(0, "Placed"), (5, "Paid"), (7, "Shipped"), (9, "Delivered")]
"""Seconds and types of events of an order that simply completes."""


def nearly_simple(chance):
    """A flow, and what happened to twenty instances: types in any order, some missing, twice, or at once.

    Args:
        chance: A `random.Random`.
    """
    names = [f"s{number}" for number in range(chance.randint(1, 4))]
    steps = {name: _step(chance, names[:place], place) for place, name in enumerate(names)}
    within = {"within": chance.choice(["3s", "30s"])} if chance.random() < 0.5 else {}
    completes = chance.choice([["End"], [f"D{len(names) - 1}"], ["End", "Done"]])
    cancels = chance.choice([{}, {"cancels": ["Stop"]}])
    flow = model_of(
        {"starts": ["Start", "Begin"], "steps": steps, "completes": completes, **cancels, **within}
    )
    return flow, [_events(chance, len(names), completes[0]) for _ in range(20)]


def _step(chance, before, place):
    step = {"done": [f"D{place}"], "failed": [f"F{place}"], "undone": [f"U{place}"]}
    if chance.random() < 0.5:
        step["within"] = f"{chance.choice([1, 5, 20])}s"
    if before and chance.random() < 0.3:
        step["after"] = list(dict.fromkeys([chance.choice(before), *before[: chance.randrange(place)]]))
    if chance.random() < 0.2:
        step["optional"] = True
    return step


def _events(chance, steps, end):
    kinds = ["Start", *(f"D{place}" for place in range(steps) if chance.random() < 0.9)]
    kinds = [kind for kind in kinds if kind != end] + [end] * (chance.random() < 0.8)
    if chance.random() < 0.1:
        kinds.remove("Start")
    if chance.random() < 0.3:
        more = chance.choice(["Start", "Begin", "End", "Done", "Stop", "D0", "F0", "U0", "Other"])
        kinds.insert(chance.randrange(len(kinds) + 1), more)
    if chance.random() < 0.2:
        chance.shuffle(kinds)
    moments = [0]
    for _ in kinds:
        moments.append(moments[-1] + chance.choice([0, 1, 100, 700, 700, 2_000]))
    events = list(zip(moments, kinds, strict=False))
    if chance.random() < 0.3:
        chance.shuffle(events)
    return marks(events)
