"""Traps that instrumentations of Kafka clients have fallen into, one test each."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from flowtrail._context import capture, current_event, restore
from flowtrail._runtime.own_loop import process, process_batch
from flowtrail._wrap import wrap_consumer, wrap_producer
from instrumentation.fakes import (
    FakeAioConsumer,
    FakeAioProducer,
    FakeConfluentConsumer,
    FakeConfluentProducer,
    FakeConsumer,
    FakeMessage,
    FakeProducer,
    aio_record,
    kafka_record,
)
from instrumentation.support import Lab, header, record

FLOW = [("ce_id", b"e1"), ("ce_correlationid", b"flow")]


def test_the_span_is_open_while_the_handler_runs_when_iterating() -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(FLOW), kafka_record(FLOW, 1)]))
    for number, consumed in enumerate(consumer):
        span = trace.get_current_span()
        assert span.is_recording()
        assert span.name == "process orders"  # type: ignore[attr-defined]
        event = current_event()
        assert event is not None
        assert event.offset == consumed.offset
        assert len(lab.spans) == number
    assert len(lab.spans) == 2
    assert current_event() is None


def test_the_span_is_open_while_the_handler_runs_after_poll() -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(FLOW, n) for n in range(3)]))
    for records in consumer.poll(timeout_ms=10).values():
        for consumed in records:
            assert trace.get_current_span().name == "process orders"  # type: ignore[attr-defined]
            assert current_event().offset == consumed.offset  # type: ignore[union-attr]
    assert [span.name for span in lab.spans] == ["poll orders"] + ["process orders"] * 3
    assert not trace.get_current_span().is_recording()


def test_leaving_the_loop_early_ends_the_span() -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(FLOW, n) for n in range(3)]))
    for records in consumer.poll().values():
        for _ in records:
            break
    assert [span.name for span in lab.spans] == ["poll orders", "process orders"]
    assert current_event() is None


def test_a_consumer_that_is_closed_by_an_exception_records_it() -> None:
    lab = Lab()
    consumer = FakeConsumer([kafka_record(FLOW)])

    def program() -> None:
        with wrap_consumer(lab.telemetry, consumer) as traced:
            next(traced)
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        program()
    assert lab.span("process orders").status.status_code is StatusCode.ERROR
    assert consumer.closed


@pytest.mark.parametrize("bad", [b"\xff\xfe\x00", b"\xc3\x28", b"00-\xff", b"", b"x" * 100_000])
def test_a_traceparent_that_is_not_utf8(bad: bytes) -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record([("traceparent", bad), *FLOW])]))
    assert [consumed.offset for consumed in consumer] == [0]
    assert lab.span("process orders").parent is None
    assert lab.value("flowtrail_dropped_headers_total") == 1
    assert not lab.value("flowtrail_internal_errors_total")


def test_the_callers_header_list_is_not_mutated() -> None:
    lab = Lab()
    producer = FakeProducer()
    mine = [("a", b"1")]
    traced = wrap_producer(lab.telemetry, producer)
    traced.send("orders", b"v", headers=mine)
    traced.send("orders", b"v", headers=mine)
    assert mine == [("a", b"1")]
    assert all(sent[3] is not mine for sent in producer.sent)


def test_traceparent_is_never_there_twice() -> None:
    lab = Lab()
    producer = FakeProducer()
    old = [("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")] * 2
    wrap_producer(lab.telemetry, producer).send("orders", b"v", headers=[*old, *FLOW, *FLOW])
    headers = producer.sent[0][3]
    for name in ("traceparent", "ce_id", "ce_correlationid"):
        assert header(headers, name) is not None


def test_a_record_with_two_traceparents_is_read() -> None:
    lab = Lab()
    first, second = (b"00-" + digit * 32 + b"-" + digit * 16 + b"-01" for digit in (b"1", b"2"))
    with lab.telemetry.processing(record([("traceparent", first), ("traceparent", second)])):
        pass
    assert lab.span("process orders").context.trace_id == int("2" * 32, 16)


@pytest.mark.parametrize("headers", [(("a", b"1"),), (h for h in [("a", b"1")]), {"a": b"1"}])
def test_headers_that_are_no_list(headers: Any) -> None:
    lab = Lab()
    producer = FakeProducer()
    wrap_producer(lab.telemetry, producer).send("orders", b"v", headers=headers)
    assert header(producer.sent[0][3], "a") == "1"


@pytest.mark.parametrize("position", ["named", "positional", "left out"])
def test_headers_none(position: str) -> None:
    lab = Lab()
    producer = FakeProducer()
    traced = wrap_producer(lab.telemetry, producer)
    if position == "named":
        traced.send("orders", b"v", headers=None)
    elif position == "positional":
        traced.send("orders", b"v", b"k", None)
    else:
        traced.send("orders", value=b"v")
    assert header(producer.sent[0][3], "traceparent") is not None


@pytest.mark.parametrize("headers", [None, [], ()])
def test_a_record_without_headers(headers: Any) -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(headers)]))
    for _ in consumer:
        assert current_event().id == "orders/0/0"  # type: ignore[union-attr]
    confluent = wrap_consumer(lab.telemetry, FakeConfluentConsumer([FakeMessage(headers)]))
    assert confluent.poll(1).offset() == 0


def test_the_clients_own_refusals_reach_the_caller() -> None:
    lab = Lab()

    class Full(FakeProducer):
        def send(self, *_: Any, **__: Any) -> Any:
            raise BufferError("full")

    with pytest.raises(BufferError, match="full"):
        wrap_producer(lab.telemetry, Full()).send("orders", b"v")
    assert lab.span("send orders").status.status_code is StatusCode.ERROR


async def _aio_send(lab: Lab) -> None:
    producer = FakeAioProducer()
    traced = wrap_producer(lab.telemetry, producer)
    future = await traced.send("orders", b"v")
    assert lab.spans == (), "the broker has not answered yet"
    producer.answer()
    assert (await future).offset == 0
    await asyncio.sleep(0)
    span = lab.span("send orders")
    assert span.attributes is not None
    assert span.attributes["messaging.kafka.offset"] == 0


def test_aiokafkas_send_span_ends_with_the_answer() -> None:
    asyncio.run(_aio_send(Lab()))


async def _aio_send_and_wait(lab: Lab) -> None:
    producer = FakeAioProducer()
    traced = wrap_producer(lab.telemetry, producer)
    waiting = asyncio.create_task(traced.send_and_wait("orders", b"v"))
    await asyncio.sleep(0)
    producer.futures[0].set_exception(TimeoutError("late"))
    with pytest.raises(TimeoutError):
        await waiting
    assert lab.span("send orders").status.status_code is StatusCode.ERROR


def test_aiokafkas_failures_are_on_the_span() -> None:
    asyncio.run(_aio_send_and_wait(Lab()))


async def _aio_consume(lab: Lab) -> None:
    inner = FakeAioConsumer([aio_record(FLOW, n) for n in range(2)])
    async with wrap_consumer(lab.telemetry, inner) as consumer:
        async for consumed in consumer:
            await asyncio.sleep(0)
            assert current_event().offset == consumed.offset  # type: ignore[union-attr]
            assert trace.get_current_span().name == "process orders"  # type: ignore[attr-defined]
    assert len(lab.spans) == 2
    assert not inner.started


def test_aiokafkas_handler_runs_inside_the_span() -> None:
    asyncio.run(_aio_consume(Lab()))


async def _aio_many(lab: Lab) -> None:
    consumer = wrap_consumer(lab.telemetry, FakeAioConsumer([aio_record(FLOW, n) for n in range(2)]))
    for records in (await consumer.getmany(timeout_ms=10)).values():
        for consumed in records:
            await asyncio.sleep(0)
            assert current_event().offset == consumed.offset  # type: ignore[union-attr]
    assert [span.name for span in lab.spans] == ["poll orders", "process orders", "process orders"]


def test_aiokafkas_getmany() -> None:
    asyncio.run(_aio_many(Lab()))


async def _aio_tasks(lab: Lab) -> None:
    consumer = wrap_consumer(lab.telemetry, FakeAioConsumer([aio_record(FLOW, n) for n in range(6)]))
    overlapping = 0

    async def work() -> None:
        nonlocal overlapping
        for _ in range(3):
            consumed = await consumer.getone()
            overlapping += 1
            await asyncio.sleep(0.001)
            assert current_event().offset == consumed.offset  # type: ignore[union-attr]
            assert trace.get_current_span().is_recording()

    await asyncio.gather(work(), work())
    gc.collect()
    assert overlapping == 6
    assert len([span for span in lab.spans if span.name == "process orders"]) == 6


def test_two_tasks_on_one_consumer_do_not_end_each_others_spans() -> None:
    asyncio.run(_aio_tasks(Lab()))


def test_the_rest_of_the_consumer_passes_through() -> None:
    lab = Lab()
    inner = FakeConsumer([kafka_record(FLOW)])
    consumer = wrap_consumer(lab.telemetry, inner)
    (partition,) = consumer.assignment()
    consumer.seek(partition, 5)
    consumer.pause(partition)
    consumer.calls.append("mine")
    consumer.note = "kept"
    assert inner.calls == ["seek 5", "pause", "mine"]
    assert inner.note == "kept"
    consumer.commit()
    assert lab.span("commit").kind is trace.SpanKind.CLIENT
    with pytest.raises(AttributeError, match="no_such_method"):
        consumer.no_such_method()


def test_wrapped_clients_pass_for_their_class_and_wrap_only_once() -> None:
    lab = Lab()
    producer, consumer = FakeProducer(), FakeConsumer([])
    traced_producer, traced_consumer = (
        wrap_producer(lab.telemetry, producer),
        wrap_consumer(lab.telemetry, consumer),
    )
    assert isinstance(traced_producer, KafkaProducer)
    assert isinstance(traced_consumer, KafkaConsumer)
    assert wrap_producer(lab.telemetry, traced_producer) is traced_producer
    assert wrap_consumer(lab.telemetry, traced_consumer) is traced_consumer
    assert traced_producer == producer


def test_subclasses_of_clients() -> None:
    lab = Lab()

    class Audited(FakeProducer):
        def send(self, topic: str, *arguments: Any, **named: Any) -> Any:
            return super().send("audited-" + topic, *arguments, **named)

    producer = Audited()
    wrap_producer(lab.telemetry, producer).send("orders", b"v")
    producer.answer()
    assert producer.sent[0][0] == "audited-orders"
    assert len(lab.spans) == 1


def test_correlation_in_a_thread_pool() -> None:
    lab = Lab()
    producer = FakeProducer()
    traced = wrap_producer(lab.telemetry, producer)
    with ThreadPoolExecutor(1) as pool, lab.telemetry.processing(record(FLOW)):
        captured = capture()

        def publish() -> None:
            with restore(captured):
                traced.send("payments", b"v")

        pool.submit(publish).result()
        pool.submit(contextvars.copy_context().run, traced.send, "payments", b"v").result()
        pool.submit(traced.send, "payments", b"v").result()
    carried = [
        (header(sent[3], "ce_correlationid"), header(sent[3], "ce_causationid")) for sent in producer.sent
    ]
    assert carried[:2] == [("flow", "e1"), ("flow", "e1")]
    assert carried[2][0] != "flow", "without being carried along, a flow is not guessed"


async def _aio_task_flow(lab: Lab) -> list[Any]:
    producer = FakeAioProducer()
    traced = wrap_producer(lab.telemetry, producer)
    with lab.telemetry.processing(record(FLOW)):
        inside = asyncio.create_task(traced.send("payments", b"v"))
    await inside
    await asyncio.gather(asyncio.to_thread(lambda: None), traced.send("payments", b"v"))
    return producer.sent


def test_correlation_in_an_asyncio_task() -> None:
    inside, outside = asyncio.run(_aio_task_flow(Lab()))
    assert header(inside[3], "ce_correlationid") == "flow"
    assert header(inside[3], "ce_causationid") == "e1"
    assert header(outside[3], "ce_correlationid") != "flow"


def test_correlation_in_a_retry_and_in_a_dead_letter() -> None:
    lab = Lab()
    consumed = record([*FLOW, ("x", b"y")])
    for attempt in (1, 2):
        with lab.telemetry.processing(consumed, attempt=attempt) as processing:
            processing.outcome = "retry"
            again = lab.telemetry.sending("orders.retry", headers=consumed.headers, forward=True)
            published = lab.telemetry.sending("payments", type="P")
        assert (again.event_id, again.correlation_id) == ("e1", "flow")
        assert header(again.headers, "ce_id") == "e1"
        assert (published.correlation_id, published.causation_id) == ("flow", "e1")
    with lab.telemetry.processing(record(again.headers, topic="orders.retry")):
        dead = lab.telemetry.sending("orders.g.dlq", headers=again.headers, forward=True)
    assert header(dead.headers, "ce_correlationid") == "flow"
    traces = {header(one.headers, "traceparent").split("-")[1] for one in (again, dead)}  # type: ignore[union-attr]
    assert len(traces) == 1


def test_tombstones_go_both_ways() -> None:
    lab = Lab()
    producer = FakeProducer()
    wrap_producer(lab.telemetry, producer).send("orders", key=b"k")
    producer.answer()
    assert producer.sent[0][1] is None
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(producer.sent[0][3], value=None)]))
    for _ in consumer:
        assert current_event().data is None  # type: ignore[union-attr]
    for name in ("send orders", "process orders"):
        attributes = lab.span(name).attributes
        assert attributes is not None
        assert attributes["messaging.kafka.message.tombstone"] is True


def test_brokers_older_than_headers_get_none() -> None:
    lab = Lab()
    producer = FakeProducer(api_version=(0, 10, 2))
    wrap_producer(lab.telemetry, producer).send("orders", b"v")
    producer.answer()
    assert producer.sent[0][3] is None
    assert lab.span("send orders").status.is_ok


def test_confluent_callbacks_are_kept_and_the_span_ends_with_the_report() -> None:
    lab = Lab()
    producer = FakeConfluentProducer()
    traced = wrap_producer(lab.telemetry, producer)
    calls: list[Any] = []
    traced.produce("orders", b"v", on_delivery=lambda error, message: calls.append((error, message.offset())))
    assert lab.spans == ()
    assert len(traced) == 1
    producer.answer()
    assert calls == [(None, 0)]
    assert lab.span("send orders").attributes["messaging.kafka.offset"] == 0  # type: ignore[index]


def test_confluent_delivery_errors_are_named() -> None:
    from confluent_kafka import KafkaError

    lab = Lab()
    producer = FakeConfluentProducer()
    wrap_producer(lab.telemetry, producer).produce("orders", b"v")
    producer.answer(KafkaError(KafkaError._MSG_TIMED_OUT))
    assert lab.span("send orders").attributes["error.type"] == "_MSG_TIMED_OUT"  # type: ignore[index]


def test_confluent_poll_and_consume_and_messages_that_are_errors() -> None:
    lab = Lab()
    messages = [FakeMessage(FLOW, 0), FakeMessage(error="eof"), FakeMessage(FLOW, 1), FakeMessage(FLOW, 2)]
    consumer = wrap_consumer(lab.telemetry, FakeConfluentConsumer(messages), group="g")
    assert consumer.poll(1).offset() == 0
    assert current_event().offset == 0  # type: ignore[union-attr]
    assert consumer.poll(1).error() == "eof"
    assert current_event() is None
    for message in consumer.consume(5, 1):
        assert current_event().offset == message.offset()  # type: ignore[union-attr]
    consumer.close()
    assert [span.name for span in lab.spans] == ["process orders", "poll orders"] + ["process orders"] * 2


def test_a_failure_inside_the_instrumentation_stays_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWTRAIL_RAISE_INTERNAL_ERRORS", raising=False)
    lab = Lab()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(lab.telemetry, "sending", broken)
    monkeypatch.setattr(lab.telemetry, "process_route", broken)
    producer = FakeProducer()
    wrap_producer(lab.telemetry, producer).send("orders", b"v", headers=[("a", b"1")])
    assert producer.sent == [("orders", b"v", None, [("a", b"1")])]
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(FLOW)]))
    assert [consumed.offset for consumed in consumer] == [0]
    assert lab.value("flowtrail_internal_errors_total") == 2


def test_a_block_inside_the_loop_adds_no_second_span() -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(FLOW, value=b'{"a":1}')]))
    for consumed in consumer:
        with process(lab.telemetry, consumed, decode=lambda _envelope, value: json.loads(value)) as event:
            assert event.data == {"a": 1}
            assert current_event() is event
    assert len(lab.spans) == 1


def test_a_block_inside_the_loop_records_what_the_loop_swallows() -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(FLOW), kafka_record(FLOW, 1)]))
    for consumed in consumer:
        with contextlib.suppress(ValueError), process(lab.telemetry, consumed):
            raise ValueError("swallowed")
    assert [span.status.status_code for span in lab.spans] == [StatusCode.ERROR] * 2


def test_confluent_messages_are_records_too() -> None:
    lab = Lab()
    with process(lab.telemetry, FakeMessage(FLOW, 3), group="g") as event:
        assert (event.id, event.correlation_id, event.offset, event.key) == ("e1", "flow", 3, b"k")
    with process_batch(lab.telemetry, [FakeMessage(FLOW, 4), FakeMessage(FLOW, 5)]) as batch:
        assert [event.offset for event in batch.events] == [4, 5]


def test_a_polled_list_as_a_batch_has_one_span() -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeConsumer([kafka_record(FLOW, n) for n in range(3)]))
    for records in consumer.poll().values():
        with process_batch(lab.telemetry, records) as batch:
            assert len(batch) == 3
    assert [span.name for span in lab.spans] == ["poll orders", "process orders"]
