"""Flows drafted from what was seen."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.flow_file import load_flows, parse_flows
from flowtrail_collector.sagas.learning.draft import draft_text
from flowtrail_collector.sagas.learning.flows import learn, readable_ms
from flowtrail_collector.sagas.learning.histories import Seen
from orderkit import DEMO_GROUPS, instances, outcome

DEMO = load_flows(Path(__file__).parents[3] / "demo" / "orderflow" / "flows.yaml").by_name["order-fulfilment"]


def shape(flow):
    """What a draft is held to: steps, order, owners, ends. Names and deadlines are nobody's business."""
    return [(step.done, step.by, step.optional) for step in flow.steps], flow.starts, flow.completes


def only(learned):
    (drafted,) = learned.flows
    (parsed,) = parse_flows(draft_text(learned)).by_name.values()
    assert parsed == drafted.flow  # the text says what was learned
    return parsed


def linear(flow):
    """Each step waits for the one before it."""
    return all(
        step.after == ((before.name,) if before else ())
        for step, before in zip(flow.steps, [None, *flow.steps], strict=False)
    )


@pytest.mark.parametrize("causation", [True, False])
def test_the_demo_s_flow_is_learned(causation):
    learned = learn(instances(120, causation=causation, notices=causation), DEMO_GROUPS)
    flow = only(learned)
    assert shape(flow) == shape(DEMO)
    assert linear(flow)
    by_done = {step.done: step for step in flow.steps}
    for step in DEMO.steps[:2]:
        found = by_done[step.done]
        assert found.failed == step.failed
        if step.name == "reserve-stock":
            assert found.undone == step.undone
    assert flow.cancels == DEMO.cancels
    assert [step.within_ms for step in flow.steps] == [1_000, 2_000, 1_000, 10_000]
    assert learned.partial == 0


def test_what_only_reports_is_left_out_and_said():
    text = draft_text(learn(instances(60), DEMO_GROUPS))
    assert "Left out: CustomerNotified" in text
    assert "a group of that name is known" in text
    assert "samples)" in text


def test_groups_are_said_to_be_missing_only_if_groups_are_known():
    data = list(instances(10, outcomes=["completed"]))
    assert "groups are not known" in draft_text(learn(data))
    assert "no group of that name is known: check" in draft_text(learn(data, ["other"]))
    assert (
        only(learn(data, ["prod-inventory-v2", "orders", "billing", "fulfillment"])).steps[0].by
        == "prod-inventory-v2"
    )
    assert "too few to rely on" in draft_text(learn(data))


def test_few_instances_are_no_flow():
    learned = learn(instances(2, outcomes=["completed"]))
    assert (learned.flows, learned.too_few) == ([], [("OrderPlaced", 2)])
    assert "No flow could be found" in draft_text(learned)
    assert draft_text(learn([])).count("\n") == 2


def test_instances_cut_off_at_their_beginning_are_left_out():
    whole = list(instances(40, outcomes=["completed"]))
    cut = [[e for e in events if e.type not in ("OrderPlaced", "StockReserved")] for events in whole[:5]]
    learned = learn([*whole, *cut], DEMO_GROUPS)
    assert shape(only(learned)) == shape(DEMO)
    assert learned.partial == 5


def test_open_instances_change_nothing():
    whole = list(instances(40, outcomes=["completed", "declined"]))
    started = [
        events[: 1 + n % 3] for n, events in enumerate(instances(30, outcomes=["completed"], first=1_000))
    ]
    assert only(learn([*whole, *started])) == only(learn(whole))


def flow_of(*types, optional=0.0):
    """Instances whose events each name the one before as their cause."""
    found = []
    for number in range(100):
        events = []
        for at, kind in enumerate(types):
            if kind.endswith("?") and number % 100 >= 100 * optional:
                continue
            name = kind.removesuffix("?")
            cause = events[-1].id if events else None
            events.append(Seen(f"{number}-{at}", name, f"/{name.lower()}", 1_000 * at, cause))
        found.append(events)
    return found


def test_what_only_some_instances_have_is_optional():
    flow = only(learn(flow_of("A", "B", "C?", "D", optional=0.5)))
    assert [(s.done[0], s.optional, s.after) for s in flow.steps] == [
        ("B", False, ()), ("C", True, ("b",)), ("D", False, ("b",))
    ]  # fmt: skip
    assert "Left out: C (3 instances): rare." in draft_text(
        learn(flow_of("A", "B", "C?", "D", optional=0.03))
    )


def parallel(causation):
    found = []
    for number in range(100):
        left, right = (100, 300) if number % 2 else (300, 100)
        last = "l" if number % 2 == 0 else "r"
        ids = {name: f"{number}-{name}" for name in "slre"}
        cause = ids if causation else {}
        found.append(
            [
                Seen(ids["s"], "Started", "/s", 0),
                Seen(ids["l"], "Left", "/l", left, cause.get("s")),
                Seen(ids["r"], "Right", "/r", right, cause.get("s")),
                Seen(ids["e"], "Ended", "/e", 500, cause.get(last)),
            ]
        )
    return found


@pytest.mark.parametrize("causation", [True, False])
def test_steps_in_parallel_and_the_one_that_waits_for_both(causation):
    flow = only(learn(parallel(causation)))
    assert {step.done[0]: step.after for step in flow.steps} == {
        "Left": (), "Right": (), "Ended": ("left", "right")
    }  # fmt: skip


def test_alternatives_are_one_step():
    found = []
    for number in range(60):
        kind = ("Card", "Invoice")[number % 2]
        ids = [f"{number}-{n}" for n in range(3)]
        found.append(
            [
                Seen(ids[0], "Started", "/s", 0),
                Seen(ids[1], f"PaidBy{kind}", "/pay", 10, ids[0]),
                Seen(ids[2], "Ended", "/e", 20, ids[1]),
            ]
        )
    flow = only(learn(found))
    assert [(set(step.done), step.optional) for step in flow.steps] == [
        ({"PaidByCard", "PaidByInvoice"}, False), ({"Ended"}, False)
    ]  # fmt: skip


def test_clocks_that_disagree_don_t_put_an_effect_before_its_cause():
    late = [
        [e._replace(at_ms=e.at_ms + (5_000 if e.source == "/inventory" else 0)) for e in events]
        for events in instances(50, outcomes=["completed"])
    ]
    assert shape(only(learn(late))) == shape(DEMO)


def test_several_flows_are_told_apart_by_their_start():
    other = flow_of("InvoiceSent", "InvoicePaid")
    learned = learn([*instances(60, outcomes=["completed"]), *other])
    assert [drafted.flow.starts for drafted in learned.flows] == [("InvoiceSent",), ("OrderPlaced",)]
    assert len(parse_flows(draft_text(learned)).by_name) == 2


@given(st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_neither_order_nor_copies_matter(chance: random.Random):
    data = [list(events) for events in instances(30)]
    mixed = [[*events, chance.choice(events)] for events in data]
    for events in mixed:
        chance.shuffle(events)
    chance.shuffle(mixed)
    assert draft_text(learn(mixed, DEMO_GROUPS)) == draft_text(learn(data, DEMO_GROUPS))


KINDS = st.sampled_from(
    ["A", "B", "PaymentFailed", "Cancelled", " ", "ärger: #1", '"', "- x", "start", "true", "Café\\"]
)
SEEN = st.builds(
    Seen,
    st.sampled_from(["1", "2", "3", "4", "5", "6"]),
    KINDS,
    st.sampled_from([None, "", "/", "/a", "/b", "b # x"]),
    st.integers(-5, 10**13),
    st.none() | st.sampled_from(["1", "2", "3", "4", "9"]),
)


@pytest.mark.slow(4)
@given(st.lists(st.lists(SEEN, max_size=6), max_size=12), st.none() | st.just(["a", "b"]))
@settings(max_examples=100, deadline=None)
def test_whatever_was_seen_the_draft_is_a_valid_flow_file(seen, groups):
    learned = learn(seen, groups, least=1)
    text = draft_text(learned)
    if learned.flows:
        assert parse_flows(text).by_name == {drafted.flow.name: drafted.flow for drafted in learned.flows}


@given(st.integers(0, 10**11))
def test_deadlines_are_rounded_up(span_ms):
    assert readable_ms(span_ms) >= max(span_ms, 1_000)
    assert readable_ms(readable_ms(span_ms)) == readable_ms(span_ms)


def test_outcomes_of_the_kit_are_those_of_the_demo():
    assert {outcome(n) for n in range(60)} == {"completed", "declined", "out of stock"}
