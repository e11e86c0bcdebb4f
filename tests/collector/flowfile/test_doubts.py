"""What a flow file can hardly mean is told, and what it can mean is not."""

from __future__ import annotations

import pytest

from flowtrail_collector.sagas.doubts import doubts
from flowtrail_collector.sagas.flow_file import parse_flows
from sagakit import ORDERS

FLOW = "flows: {f: {starts: A, steps: {%s}, completes: [C, D], cancels: X, within: 1h}}"


def found(text):
    return [doubt for flow in parse_flows(text).by_name.values() for doubt in doubts(flow)]


@pytest.mark.parametrize(
    ("steps", "about"),
    [
        ("one: {done: B, within: 2h}", ["never counts"]),
        ("one: {done: C}, two: {done: B}", ["only when the flow has completed"]),
        ("one: {done: B, failed: C}", ["'failed'"]),
        ("one: {done: B, undone: X}", ["'undone'"]),
        ("one: {done: B, again_after: D}", ["'again_after'"]),
        ("one: {done: B, again_after: B}", ["anew"]),
        ("one: {done: B, again_after: A}", ["anew"]),
        ("one: {done: B, of: {field: $.id}}", ["'of'"]),
        ("one: {done: B, of: {field: $.id}, undone: U}", []),
        ("one: {done: B, of: {field: $.id}, times: 2}", []),
        ("one: {done: B, of: {field: $.id}, times: {event: A, field: $.n}}", []),
        ("one: {done: B, failed: X}", []),
        ("one: {done: C}, two: {done: B, optional: true}", []),
        ("one: {done: C, times: 3, within: 1h}", []),
        ("one: {done: [B, C]}, two: {done: D}", []),
        ("one: {done: B, failed: F, undone: U, again_after: R}", []),
    ],
)
def test_doubts(steps, about):
    said = found(FLOW % steps)
    assert len(said) == len(about)
    assert all(word in doubt for word, doubt in zip(about, said, strict=True))


def test_an_ordinary_file_leaves_none():
    assert found(ORDERS) == []
