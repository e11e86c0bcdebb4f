"""Batch handlers: one call, an outcome for each event."""

from collections.abc import Callable
from typing import Any

import pytest

import flowtrail
from flowtrail.testing import Harness

Batch = flowtrail.Batch[Any]
RETRY = flowtrail.Retry(attempts=2, jitter=0)


def run(
    handle: Callable[[flowtrail.Trail, Batch], Any], subjects: str, **settings: Any
) -> tuple[list[list[str]], Harness]:
    """Feed one event per letter; hands back the calls, as letters with attempts."""
    trail = flowtrail.Trail("billing")
    calls: list[list[str]] = []

    @trail.consumer("orders", **{"batch": 10, "retry": RETRY, **settings})
    def handler(batch: Batch) -> None:
        calls.append([f"{event.subject}{event.attempt}" for event in batch.events])
        handle(trail, batch)

    with Harness(trail) as flow:
        for subject in subjects:
            value = b"{" if subject == "!" else b"{}"
            name = subject.encode()
            flow.broker.append("orders", None, value, [("ce_id", name), ("ce_subject", name)])
        flow.run()
        assert flow.committed("billing", "orders") == len(subjects)
    return calls, flow


def test_events_come_together_and_in_order() -> None:
    calls, flow = run(lambda _trail, _batch: None, "abcde", batch=2)
    assert calls == [["a1", "b1"], ["c1", "d1"], ["e1"]]
    assert flow.metric("messaging_client_consumed_messages_total") == 5


def test_publications_are_caused_by_their_own_event() -> None:
    def handle(trail: flowtrail.Trail, batch: Batch) -> None:
        for member in batch:
            with member as event:
                trail.publish("payments", {}, type="Paid", subject=event.subject)

    _, flow = run(handle, "ab")
    assert [(event.subject, event.causation_id) for event in flow.published("payments")] == [
        ("a", "a"),
        ("b", "b"),
    ]
    links = [span.links for span in flow.spans if span.name == "process orders"]
    assert len(links) == 1, "one span for the batch"


def test_one_that_is_marked_is_retried_alone() -> None:
    def handle(_trail: flowtrail.Trail, batch: Batch) -> None:
        for member in batch:
            if member.event.subject == "b" and member.event.attempt == 1:
                member.fail(ValueError("no"))

    calls, _ = run(handle, "abc")
    assert calls == [["a1", "b1", "c1"], ["b2"]]


def test_a_block_that_raises_leaves_those_behind_for_later() -> None:
    def handle(_trail: flowtrail.Trail, batch: Batch) -> None:
        for member in batch:
            with member as event:
                if event.subject == "b":
                    raise ValueError("no")

    calls, flow = run(handle, "abc")
    assert calls == [["a1", "b1", "c1"], ["b2", "c1"], ["c1"]]
    assert [event.id for event in flow.dead_letters()] == ["b"]


def test_a_handler_that_raises_outside_of_blocks_fails_for_all() -> None:
    def handle(_trail: flowtrail.Trail, batch: Batch) -> None:
        raise ValueError("no")

    calls, flow = run(handle, "ab")
    assert calls[0] == ["a1", "b1"]
    assert {event.id for event in flow.dead_letters()} == {"a", "b"}


def test_what_cannot_be_decoded_is_not_in_the_batch() -> None:
    calls, flow = run(lambda _trail, _batch: None, "a!b")
    assert calls == [["a1", "b1"]]
    assert [event.id for event in flow.dead_letters()] == ["!"]


def test_duplicates_are_not_in_the_batch() -> None:
    calls, flow = run(lambda _trail, _batch: None, "abab", dedupe=flowtrail.MemoryDedupe())
    assert calls == [["a1", "b1"]]
    assert flow.metric("flowtrail_duplicates_total") == 2


def test_a_refused_publication_repeats_the_batch() -> None:
    def handle(trail: flowtrail.Trail, batch: Batch) -> None:
        for member in batch:
            with member:
                trail.publish("payments", {}, type="Paid")

    trail = flowtrail.Trail("billing")
    calls: list[int] = []

    @trail.consumer("orders", batch=5)
    def handler(batch: Batch) -> None:
        calls.append(len(batch))
        handle(trail, batch)

    with Harness(trail) as flow:
        flow.broker.refuse("payments", times=1, retriable=True)
        for name in (b"a", b"b"):
            flow.broker.append("orders", None, b"{}", [("ce_id", name)])
        flow.run()
        assert flow.committed("billing", "orders") == 2
    assert calls == [2, 2]


def test_a_batch_has_room_for_one_at_least() -> None:
    with pytest.raises(flowtrail.ConfigurationError, match="batch is 0"):
        flowtrail.Trail("billing").consumer("orders", batch=0)
