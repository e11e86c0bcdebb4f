"""Retries through topics: those behind go on, the record comes back as it was."""

from typing import Any

import pytest

import flowtrail
from flowtrail.testing import Harness
from flowtrail.wire import Record
from flowtrail.wire.retry_topics import retry_headers, returned

Handled = list[tuple[str | None, int]]


def service(handled: Handled, fail_until: int, **settings: Any) -> flowtrail.Trail:
    trail = flowtrail.Trail("billing")

    @trail.consumer("orders", retry=flowtrail.Retry(topics=[1, 60]), **settings)
    def handle(event: flowtrail.Event[Any]) -> None:
        handled.append((event.subject, event.attempt))
        assert event.topic == "orders"
        assert not any(name.startswith("retry.") for name, _ in event.headers)
        if event.subject == "bad" and event.attempt < fail_until:
            raise ValueError("not yet")
        trail.publish("payments", {}, type="Paid", subject=event.subject)

    return trail


def test_those_behind_go_on() -> None:
    handled: Handled = []
    with Harness(service(handled, fail_until=3)) as flow:
        for subject in ("bad", "good"):
            flow.broker.append(
                "orders", None, b"{}", [("ce_id", subject.encode()), ("ce_subject", subject.encode())]
            )
        started = flow.clock.time_ns()
        flow.run()
        assert flow.clock.time_ns() - started == pytest.approx(61e9)
        assert flow.metric("flowtrail_retries_total", mode="topic") == 2
        assert flow.committed("billing", "orders") == 2
        assert flow.dead_letters() == []
    assert handled == [("bad", 1), ("good", 1), ("bad", 2), ("bad", 3)]


def test_trace_correlation_and_causation_stay() -> None:
    with Harness(service([], fail_until=3)) as flow:
        event_id = flow.deliver("orders", {}, type="OrderPlaced", subject="bad")
        (payment,) = flow.published("payments")
        assert (payment.correlation_id, payment.causation_id) == (event_id, event_id)
        assert len({span.context.trace_id for span in flow.spans if span.name.startswith("process")}) == 1
        in_topics = [flow.broker.records(f"orders.billing.retry.{attempt}") for attempt in (1, 2)]
        for (record,) in in_topics:
            assert dict(record.headers)["ce_id"] == event_id.encode()


def test_the_dead_letter_names_where_it_came_from() -> None:
    handled: Handled = []
    with Harness(service(handled, fail_until=9)) as flow:
        flow.deliver("orders", {"a": 1}, type="OrderPlaced", subject="other")
        flow.deliver("orders", {"a": 2}, type="OrderPlaced", subject="bad")
        (letter,) = flow.dead_letters()
        headers = dict(letter.headers)
        assert letter.topic == "orders.billing.dlq"
        assert (headers["dlq.topic"], headers["dlq.offset"]) == (b"orders", b"1")
        assert headers["dlq.attempts"] == b"3"
        assert not any(name.startswith("retry.") for name in headers)
    assert handled == [("other", 1), ("bad", 1), ("bad", 2), ("bad", 3)]


def test_a_batch_handler_gets_it_back_too() -> None:
    sizes: list[list[tuple[str | None, int]]] = []
    trail = flowtrail.Trail("billing")

    @trail.consumer("orders", batch=10, retry=flowtrail.Retry(topics=[1]))
    def handle(batch: flowtrail.Batch[Any]) -> None:
        sizes.append([(event.subject, event.attempt) for event in batch.events])
        for member in batch:
            if member.event.subject == "bad" and member.event.attempt == 1:
                member.fail(ValueError("not yet"))

    with Harness(trail) as flow:
        for subject in (b"good", b"bad", b"next"):
            flow.broker.append("orders", None, b"{}", [("ce_id", subject), ("ce_subject", subject)])
        flow.run()
    assert sizes == [[("good", 1), ("bad", 1), ("next", 1)], [("bad", 2)]]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("retry.attempts", b"x"), ("retry.due", None), ("retry.offset", b"-1")],
        [("retry.offset", b"9" * 400), ("retry.partition", b"0"), ("retry.due", b"\xff")],
    ],
)
def test_what_somebody_else_wrote_there_is_due_at_once(headers: Any) -> None:
    record = Record("orders.billing.retry.1", 0, 5, 1, b"k", b"v", headers)
    back = returned(record, "orders")
    assert (back.attempts, back.due_ms) == (0, 0)
    assert (back.record.offset, back.record.value) == (5, b"v")


def test_there_and_back() -> None:
    record = Record("orders", 2, 5, 1234, b"k", b"v", (("a", b"1"), ("a", None)))
    headers = retry_headers(record, 3, 99)
    back = returned(Record("orders.g.retry.1", 0, 77, 8, b"k", b"v", headers), "orders")
    assert back == (record, 3, 99)
