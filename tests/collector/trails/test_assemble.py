"""Trails: what they show, whatever order the witnesses are heard in."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.sagas.model.view import SagaView, StepView
from flowtrail_collector.spans.model import Resource, Span, SpanKind
from flowtrail_collector.trails.assembly import assemble
from flowtrail_collector.trails.causal_order import causal_order
from flowtrail_collector.trails.model import EntryKind, TrailInputs
from trailkit import orders

NOW_MS = orders.START_MS + 100_000


def kinds(trail):
    return [(entry.kind.value, entry.service, entry.name) for entry in trail.entries]


def test_a_completed_order_shows_every_step_in_order():
    trail = assemble(orders.completed(), now_ms=NOW_MS)
    assert [item for item in kinds(trail) if item[0] != "queue"] == [
        ("command", "orders", "POST /orders"),
        ("publish", "orders", "OrderPlaced"),
        ("process", "inventory", "OrderPlaced"),
        ("publish", "inventory", "StockReserved"),
        ("process", "billing", "StockReserved"),
        ("retry", "billing", "StockReserved"),
        ("publish", "billing", "PaymentCompleted"),
        ("process", "orders", "PaymentCompleted"),
        ("publish", "orders", "OrderConfirmed"),
        ("process", "fulfillment", "OrderConfirmed"),
        ("publish", "fulfillment", "OrderShipped"),
        ("process", "customers", "OrderShipped"),
        ("notification", "customers", "CustomerNotified"),
    ]
    assert trail.services == ("orders", "inventory", "billing", "fulfillment", "customers")
    assert trail.subjects == (orders.ORDER,)
    assert trail.correlation_ids == (orders.CORRELATION,)
    assert trail.trace_ids == (orders.TRACE,)
    assert trail.seen_as == "events and spans"
    assert trail.missing == ()
    assert trail.notes == ()
    assert trail.end_ns - trail.start_ns == 385_000_000


def test_time_in_queue_runs_from_publication_to_processing():
    trail = assemble(orders.completed(), now_ms=NOW_MS)
    queues = {entry.service: entry for entry in trail.entries if entry.kind is EntryKind.QUEUE}
    assert (queues["inventory"].end_ns - queues["inventory"].start_ns) == 36_000_000
    handled = {entry.parent for entry in trail.entries if entry.kind is EntryKind.PROCESS}
    assert {queue.id for queue in queues.values()} <= handled


def test_a_failed_attempt_carries_its_error_and_the_next_is_a_retry():
    trail = assemble(orders.completed(), now_ms=NOW_MS)
    first = next(entry for entry in trail.entries if entry.error)
    assert (first.kind, first.attempt) == (EntryKind.PROCESS, 1)
    assert first.error.type == "GatewayTimeoutError"
    retry = next(entry for entry in trail.entries if entry.kind is EntryKind.RETRY)
    assert (retry.attempt, retry.error, retry.parent) == (2, None, first.id)
    paid = next(entry for entry in trail.entries if entry.event_type == "PaymentCompleted")
    assert paid.parent == retry.id


def test_compensation_is_marked():
    trail = assemble(orders.declined(), now_ms=NOW_MS)
    undone = [entry.name for entry in trail.entries if entry.kind is EntryKind.COMPENSATION]
    assert sorted(undone) == ["OrderCancelled", "StockReleased"]


def test_a_dead_letter_names_group_error_and_state_and_what_is_missing():
    trail = assemble(orders.poisoned(), now_ms=NOW_MS)
    letter = next(entry for entry in trail.entries if entry.kind is EntryKind.DEAD_LETTER)
    assert (letter.service, letter.group, letter.attempt, letter.state) == (
        "billing",
        "billing",
        3,
        "pending",
    )
    assert letter.error.message == "total_cents is negative"
    last_try = next(entry for entry in trail.entries if entry.attempt == 3 and entry.kind is EntryKind.RETRY)
    assert letter.parent == last_try.id
    (missing,) = trail.missing
    assert (missing.step, missing.by, missing.overdue) == ("charge", "billing", True)
    assert not assemble(orders.poisoned(), now_ms=orders.START_MS).missing[0].overdue


def test_what_is_missing_has_its_time_and_what_comes_later_is_told_apart():
    trail = assemble(orders.poisoned(), now_ms=NOW_MS)
    (missing,) = trail.missing
    assert (missing.since_ms, missing.until_ms) == (orders.START_MS + 52, NOW_MS)
    assert [(step.step, step.by, step.overdue) for step in trail.later] == [("ship", "fulfillment", False)]


def test_of_a_cancelled_order_what_was_not_undone_is_missing():
    steps = (
        StepView("reserve", "done", ("StockReserved",), since_ms=2000, undo=("StockReleased",)),
        StepView("ship", "waiting", ("OrderShipped",)),
    )
    saga = SagaView("orders", "o-1", "open", 1000, steps=steps)
    trail = assemble(TrailInputs(sagas=(saga,)), now_ms=9000)
    (missing,) = trail.missing
    assert (missing.step, missing.undo, missing.expects) == ("reserve", True, ("StockReleased",))
    assert (missing.since_ms, missing.until_ms, missing.overdue) == (2000, 9000, False)
    assert trail.later == (), "after a cancellation nothing else is expected"


def test_a_redriven_dead_letter_is_handled_again():
    story = orders.Story()
    placed = story.send("orders", "orders", "OrderPlaced", 0, event_id="e1")
    failed = story.process("billing", placed, 10, 5, error=("ValueError", "no"))
    story.send("billing", "orders.billing.dlq", "OrderPlaced", 20, failed, event_id="e1", dead_letter=True)
    again = story.send("flowtrail", "orders", "OrderPlaced", 500, event_id="e1")
    story.process("billing", again, 520, 5)
    trail = assemble(story.inputs(), now_ms=NOW_MS)
    shown = [item[0] for item in kinds(trail)]
    assert shown == ["publish", "queue", "process", "dead_letter", "redrive", "queue", "process"]
    redrive = trail.entries[4]
    assert redrive.parent == trail.entries[3].id
    assert trail.entries[5].parent == redrive.id


def test_events_alone_make_a_trail():
    inputs = replace(orders.completed(), spans=())
    trail = assemble(inputs, now_ms=NOW_MS)
    assert trail.seen_as == "events"
    assert [entry.name for entry in trail.entries] == [
        "OrderPlaced",
        "StockReserved",
        "PaymentCompleted",
        "OrderConfirmed",
        "OrderShipped",
        "CustomerNotified",
    ]
    assert [entry.depth for entry in trail.entries] == list(range(6))
    assert [entry.service for entry in trail.entries][:3] == ["orders", "inventory", "billing"]


def test_spans_alone_make_the_same_steps():
    both = assemble(orders.completed(), now_ms=NOW_MS)
    alone = assemble(replace(orders.completed(), events=()), now_ms=NOW_MS)
    assert alone.seen_as == "spans"
    assert alone.correlation_ids == (orders.CORRELATION,)
    assert alone.subjects == (orders.ORDER,)
    assert [item[1:] for item in kinds(alone)] == [item[1:] for item in kinds(both)]


def test_spans_of_instrumentation_that_knows_no_message_ids_find_their_event_by_place():
    """OpenTelemetry's own Kafka instrumentation writes topic, partition and offset only."""
    story = orders.Story()
    sent = story.send("orders", "orders", "OrderPlaced", 0, event_id="e1")
    handled = story.process("billing", sent, 10, 5)
    keep = ("messaging.destination.name", "messaging.destination.partition.id", "messaging.kafka.offset")
    bare = {name: handled.attributes[name] for name in keep}
    consumer = replace(handled, attributes=bare, parent_span_id=None, trace_id="f" * 32)
    producer = replace(sent, attributes={"messaging.destination.name": "orders"})
    trail = assemble(replace(story.inputs(), spans=(consumer, producer)), now_ms=NOW_MS)
    assert [item[0] for item in kinds(trail)] == ["publish", "queue", "process"]
    assert {entry.event_id for entry in trail.entries} == {"e1"}
    assert trail.entries[0].seen_as == "both"


def test_several_traces_of_one_order_are_one_trail():
    first, second = orders.Story(), orders.Story(trace_id="f" * 32)
    first.send("orders", "orders", "OrderPlaced", 0, event_id="e1")
    second._number = 100
    second.events += first.events
    post = second.command("orders", "POST /orders/ord-1/cancel", 5_000, 10)
    second.send("orders", "orders", "OrderCancelled", 5_004, post, event_id="e2")
    inputs = replace(second.inputs(), spans=(*first.spans, *second.spans))
    trail = assemble(inputs, now_ms=NOW_MS)
    assert set(trail.trace_ids) == {orders.TRACE, "f" * 32}
    assert [entry.name for entry in trail.entries] == [
        "OrderPlaced",
        "POST /orders/ord-1/cancel",
        "OrderCancelled",
    ]


def test_other_orders_in_a_shared_trace_stay_out():
    mine, other = orders.Story(), orders.Story(correlation_id="flow-2", subject="ord-2")
    other._number = 100
    batch = mine.span("orders", "nightly batch", SpanKind.INTERNAL, 0, 100)
    mine.send("orders", "orders", "OrderPlaced", 1, batch)
    theirs = other.send("orders", "orders", "OrderPlaced", 2, batch)
    inner = other.span("orders", "INSERT", SpanKind.CLIENT, 3, 1, theirs)
    inputs = replace(mine.inputs(), spans=(*mine.spans, theirs, inner))
    trail = assemble(inputs, now_ms=NOW_MS)
    assert [entry.name for entry in trail.entries] == ["nightly batch", "OrderPlaced"]


@pytest.mark.parametrize("skewed", ["inventory", "billing", "orders", "fulfillment", "customers"])
def test_clocks_that_disagree_change_no_order_and_are_named(skewed):
    straight = assemble(orders.completed(), now_ms=NOW_MS)
    bent = assemble(orders.completed(skew_ms={skewed: -4_000}), now_ms=NOW_MS)
    assert [entry.id for entry in bent.entries if entry.kind is not EntryKind.QUEUE] == [
        entry.id for entry in straight.entries if entry.kind is not EntryKind.QUEUE
    ]
    if skewed != "orders":
        assert any(entry.skewed for entry in bent.entries)
        assert any(skewed in note for note in bent.notes)
    assert all(entry.end_ns >= entry.start_ns for entry in bent.entries)


stories = st.sampled_from([orders.completed, orders.declined, orders.poisoned])
skews = st.dictionaries(
    st.sampled_from(["orders", "inventory", "billing", "customers"]), st.integers(-10_000, 10_000)
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(stories, skews, st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_any_order_of_inputs_gives_the_same_trail_and_causes_come_first(story, skew, rng, events, spans):
    inputs = story(skew_ms=skew)
    inputs = replace(inputs, events=inputs.events if events else (), spans=inputs.spans if spans else ())
    expected = assemble(inputs, now_ms=NOW_MS)
    assert assemble(shuffled(inputs, rng), now_ms=NOW_MS) == expected
    assert_causal(expected)


def shuffled(inputs: TrailInputs, rng: random.Random) -> TrailInputs:
    def mixed(items):
        # Everything may also be told twice.
        doubled = list(items) + rng.sample(list(items), k=min(2, len(items)))
        rng.shuffle(doubled)
        return tuple(doubled)

    spans = {(span.trace_id, span.span_id): span for span in mixed(inputs.spans)}
    return replace(
        inputs,
        events=mixed(inputs.events),
        spans=tuple(spans.values()),
        dead_letters=mixed(inputs.dead_letters),
    )


def assert_causal(trail):
    position = {entry.id: index for index, entry in enumerate(trail.entries)}
    assert len(position) == len(trail.entries)
    published = {}
    for entry in trail.entries:
        if entry.parent:
            assert position[entry.parent] < position[entry.id]
            assert entry.depth == trail.entries[position[entry.parent]].depth + 1
        if entry.kind is not EntryKind.QUEUE and entry.event_id:
            published.setdefault(entry.event_id, position[entry.id])
    for entry in trail.entries:
        if entry.causation_id in published and entry.kind is EntryKind.PUBLISH:
            assert published[entry.causation_id] < position[entry.id]


texts = st.sampled_from(["a", "b", "c", "d", ""])
ids = st.sampled_from(["0" * 15 + digit for digit in "1234"])
wild_events = st.builds(
    StoredEvent,
    event_id=texts,
    type=texts,
    topic=texts,
    partition=st.integers(0, 1),
    offset=st.integers(0, 3),
    source=st.none() | texts,
    correlation_id=st.none() | texts,
    causation_id=st.none() | texts,
    timestamp_ms=st.none() | st.integers(0, 2**40),
    trace_id=st.none() | st.just("1" * 32),
    span_id=st.none() | ids,
    dead_letter=st.booleans(),
)
wild_spans = st.builds(
    Span,
    trace_id=st.just("1" * 32),
    span_id=ids,
    parent_span_id=st.none() | ids,
    resource=st.builds(Resource, service=texts),
    name=texts,
    kind=st.sampled_from(SpanKind),
    start_ns=st.integers(0, 100),
    end_ns=st.integers(100, 200),
    attributes=st.dictionaries(
        st.sampled_from(
            [
                "messaging.message.id",
                "messaging.destination.name",
                "messaging.message.conversation_id",
                "messaging.kafka.offset",
                "flowtrail.causation_id",
                "flowtrail.attempt",
            ]
        ),
        texts | st.integers() | st.lists(st.integers(), max_size=1) | st.none(),
    ),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(wild_events, max_size=8),
    st.lists(wild_spans, max_size=8, unique_by=lambda span: span.span_id),
    st.randoms(use_true_random=False),
)
def test_forged_and_circular_ids_never_break_it(events, spans, rng):
    events = list({(item.topic, item.partition, item.offset): item for item in events}.values())
    inputs = TrailInputs(events=tuple(events), spans=tuple(spans))
    trail = assemble(inputs, now_ms=NOW_MS)
    position = {entry.id: index for index, entry in enumerate(trail.entries)}
    assert all(position[entry.parent] < position[entry.id] for entry in trail.entries if entry.parent)
    rng.shuffle(events)
    rng.shuffle(spans)
    again = assemble(TrailInputs(events=tuple(events), spans=tuple(spans)), now_ms=NOW_MS)
    assert again == trail


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.text("abcdef", max_size=2), st.integers(0, 20), max_size=12),
    st.data(),
)
def test_causal_order_is_a_topological_order(starts, data):
    keys = sorted(starts)
    causes = {
        key: data.draw(st.sets(st.sampled_from(keys[:index]), max_size=3)) if index else set()
        for index, key in enumerate(keys)
    }
    order = causal_order(starts, causes)
    assert sorted(order) == keys
    position = {key: index for index, key in enumerate(order)}
    assert all(position[cause] < position[key] for key in keys for cause in causes[key])
    assert causal_order(dict(reversed(starts.items())), causes) == order


def test_a_circle_of_causes_is_broken_at_its_earliest_member():
    assert causal_order({"a": 3, "b": 1, "c": 2}, {"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["b", "a", "c"]
