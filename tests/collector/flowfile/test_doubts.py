"""What a flow file can hardly mean is told, and what it can mean is not."""

from __future__ import annotations

import pytest

from flowtrail_collector.sagas.flow_file import file_doubts, parse_flows
from sagakit import ORDERS

FLOW = "flows: {f: {starts: A, steps: {%s}, completes: [C, D], cancels: X, within: 1h}}"


def found(text):
    return list(file_doubts(parse_flows(text)))


@pytest.mark.parametrize(
    ("steps", "about"),
    [
        ("one: {done: B, within: 2h}", ["never counts"]),
        ("one: {done: C}, two: {done: B}", ["only when the flow has completed"]),
        ("one: {done: B, failed: C}", ["'failed'"]),
        ("one: {done: B, undone: X}", ["'undone'"]),
        ("one: {done: B, again_after: D}", ["'again_after'"]),
        ("one: {done: B, again_after: B}", ["restarts"]),
        ("one: {done: B, again_after: A}", ["restarts"]),
        ("one: {done: B, of: {field: $.id}}", ["'of'"]),
        ("one: {done: B, of: {field: $.id}, undone: U}", []),
        ("one: {done: B, of: {field: $.id}, times: 2}", []),
        ("one: {done: B, of: {field: $.id}, times: {event: A, field: $.n}}", []),
        ("one: {done: A}", ["nobody ever waits"]),
        ("one: {done: X}", ["no event reaches it"]),
        ("one: {done: [B, X]}", []),
        ("one: {done: B, failed: B}", ["in 'done' and in 'failed'"]),
        ("one: {done: B, undone: B}", ["in 'done' and in 'undone'"]),
        ("one: {done: B, failed: F, undone: F}", ["in 'failed' and in 'undone'"]),
        ("one: {done: B, failed: F, within: 13h}", ["never counts", "waits for people"]),
        ("one: {done: B, within: 1h}, two: {done: E, failed: F, within: 1h}", []),
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


PEOPLE = "flows: {f: {starts: A, steps: {%s}, completes: C, cancels: X}}"


@pytest.mark.parametrize(
    ("steps", "doubted"),
    [
        ("ask: {done: B, failed: F, within: 2d}", True),
        ("ask: {done: B, failed: F, within: 2d, again_after: R}", False),
        ("ask: {done: B, within: 2d}", False),
        ("ask: {done: B, failed: F, within: 2h}", False),
        ("ask: {done: B}, two: {done: D, failed: F, within: 2d}", False),
        ("ask: {done: B, failed: F, within: 2d}, other: {done: D, instead_of: ask}", False),
    ],
)
def test_people_who_may_be_asked_again(steps, doubted):
    assert bool(found(PEOPLE % steps)) is doubted


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("flows: {f: {starts: [A, D], completes: B}, g: {starts: A, completes: C}}", ["it counts in both"]),
        ("flows: {f: {starts: A, completes: B}, g: {starts: B, completes: C}}", []),
        ("mapping: {'shop.*': {type: A}, shop.orders: {type: B}}", ["never counts"]),
        ("mapping: {'shop.*': {type: A}, 'shop.or*': {type: B}}", ["never counts"]),
        ("mapping: {shop.orders: {type: B}, 'shop.*': {type: A}}", []),
        ("mapping: {t: {id: {field: $.id}, correlation: {field: $.id}}}", ["from the same place"]),
        ("mapping: {t: {id: {field: $.id}, correlation: {field: $.order}}}", []),
    ],
)
def test_flows_and_mappings_that_get_in_each_others_way(text, about):
    said = found(text)
    assert len(said) == len(about)
    assert all(word in doubt for word, doubt in zip(about, said, strict=True))
