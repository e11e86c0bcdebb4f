"""`flowtrail.testing` as a user meets it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flowtrail
from flowtrail.testing import Harness


def billing() -> flowtrail.Trail:
    trail = flowtrail.Trail("billing")

    @trail.producer("payments", type="PaymentCompleted", subject="order_id")
    def payment_completed(order_id: str, amount_cents: int) -> dict[str, object]:
        return {"order_id": order_id, "amount_cents": amount_cents}

    @trail.consumer("inventory", types=["StockReserved"], retry=flowtrail.Retry(attempts=3, jitter=0))
    def charge(event: flowtrail.Event[Any]) -> None:
        if event.data["total_cents"] < 0 or (event.data.get("flaky") and event.attempt < 3):
            raise ValueError("no such amount")
        payment_completed(event.subject or "", event.data["total_cents"])

    return trail


@pytest.fixture
def flow() -> Iterator[Harness]:
    with Harness(billing()) as harness:
        yield harness


def test_a_reserved_order_is_charged(flow: Harness) -> None:
    reserved = flow.deliver("inventory", {"total_cents": 500}, type="StockReserved", subject="o-1")
    (payment,) = flow.published("payments")
    assert payment.data == {"order_id": "o-1", "amount_cents": 500}
    assert (payment.correlation_id, payment.causation_id) == (reserved, reserved)
    assert flow.committed("billing", "inventory") == 1


def test_spans_form_one_trace(flow: Harness) -> None:
    flow.deliver("inventory", {"total_cents": 500}, type="StockReserved", subject="o-1")
    spans = {span.name: span for span in flow.spans}
    sent, processed, payment = (
        spans[name] for name in ("send inventory", "process inventory", "send payments")
    )
    assert processed.parent is not None
    assert payment.parent is not None
    assert processed.parent.span_id == sent.context.span_id
    assert payment.parent.span_id == processed.context.span_id
    assert sent.context.trace_id == payment.context.trace_id


def test_a_retry_passes_its_wait_at_once(flow: Harness) -> None:
    started = flow.clock.time_ns()
    flow.deliver("inventory", {"total_cents": 1, "flaky": True}, type="StockReserved", subject="o-1")
    assert flow.clock.time_ns() - started == pytest.approx(0.3e9)
    assert flow.metric("flowtrail_retries_total", mode="blocking") == 2
    assert len(flow.published("payments")) == 1


def test_what_keeps_failing_becomes_a_dead_letter(flow: Harness) -> None:
    flow.deliver("inventory", {"total_cents": -1}, type="StockReserved", subject="o-1")
    (letter,) = flow.dead_letters()
    headers = dict(letter.headers)
    assert letter.topic == "inventory.billing.dlq"
    assert letter.data == {"total_cents": -1}
    assert headers["dlq.attempts"] == b"3"
    assert headers["dlq.error.type"] == b"ValueError"
    assert flow.committed("billing", "inventory") == 1


def test_ids_and_time_are_the_same_each_time() -> None:
    def run() -> list[object]:
        with Harness(billing(), seed=7) as flow:
            flow.deliver("inventory", {"total_cents": 5}, type="StockReserved", subject="o-1")
            spans = [span.context for span in flow.spans]
            return [flow.published(), spans]

    assert run() == run()


def test_the_trail_is_as_before_when_the_block_ends() -> None:
    trail = billing()
    before = trail.telemetry, trail._services_made
    with Harness(trail):
        assert trail.telemetry is not before[0]
    assert (trail.telemetry, trail._services_made) == before


def test_an_outbox_is_relayed(tmp_path: Path) -> None:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(tmp_path / "billing.db")

    trail = flowtrail.Trail("billing")
    outbox = trail.outbox(connect)
    with connect() as setup:
        outbox.create_table(setup)
    setup.close()

    @trail.consumer("inventory")
    def charge(event: flowtrail.Event[Any]) -> None:
        with connect() as connection:
            outbox.add(connection, "payments", {"order": event.subject}, type="PaymentCompleted")
        connection.close()

    with Harness(trail) as flow:
        reserved = flow.deliver("inventory", {}, type="StockReserved", subject="o-1")
        (payment,) = flow.published("payments")
    assert (payment.data, payment.causation_id) == ({"order": "o-1"}, reserved)


def test_events_without_end_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowtrail._testing.harness.MAX_ROUNDS", 50)
    trail = flowtrail.Trail("loop")

    @trail.consumer("echo")
    def echo(event: flowtrail.Event[Any]) -> None:
        trail.publish("echo", event.data, type="Echo")

    with Harness(trail) as flow, pytest.raises(flowtrail.FlowtrailError, match="not done after"):
        flow.deliver("echo", {}, type="Echo")
