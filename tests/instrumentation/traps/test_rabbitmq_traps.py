"""Traps that instrumentations of RabbitMQ's clients have fallen into, each on a real server.

Context lost in iterators and generators, select connections that aren't traced, spans that don't say queue,
exchange and routing key, and publications of a handler that have nothing to do with what it handles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aio_pika
import pika
import pytest
from aio_pika.patterns import RPC, JsonRPC, Master
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode, get_current_span
from pika.adapters.blocking_connection import BlockingChannel

from flowtrail._context import current_event
from flowtrail._wrap import wrap_consumer, wrap_producer
from flowtrail.errors import ConfigurationError
from flowtrail.instrumentor import AioPikaInstrumentor, PikaInstrumentor
from instrumentation.clients.rabbitmq_support import raw
from instrumentation.support import Lab
from instrumentation.traps.rabbitmq_programs import MESSAGES, PROGRAMS, Place, Wrap
from waiting import scaled, until


def _named(lab: Lab, name: str) -> list[ReadableSpan]:
    return [span for span in lab.spans if span.name == name]


def _parents(spans: list[ReadableSpan]) -> list[int]:
    return [span.parent.span_id if span.parent else 0 for span in spans]


def _ids(spans: list[ReadableSpan]) -> list[int]:
    return [span.context.span_id for span in spans if span.context]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_message_is_handled_in_its_flow(program: str, lab: Lab, place: Place, wrap: Wrap) -> None:
    seen: list[tuple[bytes, str, str | None, bytes | None]] = []

    def handle(body: bytes) -> None:
        event = current_event()
        name = getattr(get_current_span(), "name", "")
        seen.append((body, name, event.topic if event else None, event.data if event else None))

    PROGRAMS[program](place, wrap, handle)
    bodies = [b"%d" % number for number in range(MESSAGES)]
    assert sorted(seen) == [(body, f"process {place.exchange}", place.exchange, body) for body in bodies]
    assert current_event() is None
    assert not get_current_span().is_recording()
    sent, handled = _named(lab, f"send {place.exchange}"), _named(lab, f"process {place.exchange}")
    onward = _named(lab, f"send {place.onward}")
    idle = [span for span in onward if span.parent is None]
    assert len(idle) == ("idle" in program or "timed-out" in program), "what has no cause starts a flow"
    assert sorted(_parents(handled)) == sorted(_ids(sent))
    assert sorted(_parents([span for span in onward if span not in idle])) == sorted(_ids(handled))
    assert len(lab.spans) == 3 * MESSAGES + len(idle)
    for span in handled:
        attributes = dict(span.attributes or {})
        assert attributes["messaging.system"] == "rabbitmq"
        assert attributes["messaging.destination.name"] == place.exchange
        assert attributes["messaging.destination.subscription.name"] == place.queue
        assert str(attributes["messaging.rabbitmq.destination.routing_key"]).startswith("kind.")
        assert attributes["messaging.consumer.group.name"] == "billing"
    for span in sent:
        assert str((span.attributes or {})["messaging.rabbitmq.destination.routing_key"]).startswith("kind.")
    flows = [{(span.attributes or {})["messaging.message.conversation_id"] for span in spans}
             for spans in (sent, handled, [span for span in onward if span not in idle])]  # fmt: skip
    assert flows[0] == flows[1] == flows[2]
    assert not lab.value("flowtrail_internal_errors_total")


def _fails_in_callback(place: Place, wrap: Wrap) -> None:
    with raw(place.url) as real:
        channel = wrap(real)
        channel.basic_publish(place.exchange, "kind.1", b"x")

        def on_message(*_: Any) -> None:
            raise ValueError("bad")

        channel.basic_consume(place.queue, on_message)
        channel.start_consuming()


def _fails_in_generator(place: Place, wrap: Wrap) -> None:
    with raw(place.url) as real, wrap(real) as channel:
        channel.basic_publish(place.exchange, "kind.1", b"x")
        for _ in channel.consume(place.queue):
            raise ValueError("bad")


def _fails_in_iterator(place: Place, wrap: Wrap) -> None:
    async def run() -> None:
        async with await aio_pika.connect(place.url) as connection:
            channel = wrap(await connection.channel())
            exchange = await channel.get_exchange(place.exchange)
            await exchange.publish(aio_pika.Message(b"x"), "kind.1")
            queue = await channel.get_queue(place.queue)
            async with queue.iterator() as messages:
                async for _ in messages:
                    raise ValueError("bad")

    asyncio.run(run())


@pytest.mark.parametrize("program", [_fails_in_callback, _fails_in_generator, _fails_in_iterator])
def test_what_a_handler_raises_stands_in_its_span(
    program: Callable[[Place, Wrap], None], lab: Lab, place: Place, wrap: Wrap
) -> None:
    with pytest.raises(ValueError, match="bad"):
        program(place, wrap)
    until(lambda: bool(_named(lab, f"process {place.exchange}")), 10)
    (span,) = _named(lab, f"process {place.exchange}")
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ValueError"


@pytest.mark.parametrize("pattern", [RPC, JsonRPC])
def test_a_call_and_its_reply_are_one_flow(
    pattern: type[RPC], lab: Lab, place: Place, wrap: Wrap, topic: Callable[..., str]
) -> None:
    method = topic("double")
    flows: list[str | None] = []

    async def double(number: int) -> int:
        event = current_event()
        flows.append(event.correlation_id if event else None)
        return 2 * number

    async def run() -> list[int]:
        async with await aio_pika.connect_robust(place.url) as connection:
            channel = wrap(await connection.channel())
            server = await pattern.create(channel)
            await server.register(method, double, auto_delete=True)
            caller = await pattern.create(wrap(await connection.channel()))
            async with asyncio.timeout(scaled(30)):
                answers = [await caller.call(method, {"number": number}) for number in (1, 2)]
            await server.close()
            await caller.close()
            return answers

    assert asyncio.run(run()) == [2, 4]
    assert len(set(flows)) == 2
    calls, handled = _named(lab, f"send {method}"), _named(lab, f"process {method}")
    replies, received = _named(lab, "send (anonymous)"), _named(lab, "process (anonymous)")
    assert _parents(handled) == _ids(calls), "reply queues have no names of their own in what is measured"
    assert _parents(replies) == _ids(handled)
    assert _parents(received) == _ids(replies)
    assert [(span.attributes or {})["messaging.message.conversation_id"] for span in received] == flows


def test_work_handed_out_by_a_master_is_its_flow(
    lab: Lab, place: Place, wrap: Wrap, topic: Callable[..., str]
) -> None:
    async def run() -> str | None:
        done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        async def work(task: int) -> None:
            event = current_event()
            done.set_result(event.topic if event else None)

        async with await aio_pika.connect(place.url) as connection:
            master = Master(wrap(await connection.channel()))
            await master.create_worker(name, work, auto_delete=True)
            await master.create_task(name, {"task": 1})
            async with asyncio.timeout(scaled(30)):
                return await done

    name = topic("work")
    assert asyncio.run(run()) == name
    assert _parents(_named(lab, f"process {name}")) == _ids(_named(lab, f"send {name}"))


def test_what_nobody_takes_is_a_failed_send(lab: Lab, place: Place, wrap: Wrap) -> None:
    async def returned() -> None:
        async with await aio_pika.connect(place.url) as connection:
            channel = wrap(await connection.channel())
            await channel.default_exchange.publish(aio_pika.Message(b"x"), f"{place.queue}.none")

    with raw(place.url) as real:
        channel = wrap(real)
        channel.confirm_delivery()
        with pytest.raises(pika.exceptions.UnroutableError):
            channel.basic_publish("", f"{place.queue}.none", b"x", mandatory=True)
    asyncio.run(returned())
    spans = _named(lab, f"send {place.queue}.none")
    assert [span.status.status_code for span in spans] == [StatusCode.ERROR] * 2
    assert [(span.attributes or {})["error.type"] for span in spans] == [
        "pika.exceptions.UnroutableError", "returned",
    ]  # fmt: skip


def test_a_wrapped_channel_is_traced_once_where_everything_is_instrumented(lab: Lab, place: Place) -> None:
    instrumentors: list[Any] = [PikaInstrumentor(), AioPikaInstrumentor()]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry)
    try:
        for name, program in PROGRAMS.items():
            before = len(lab.spans)
            program(place, lambda channel: wrap_producer(lab.telemetry, channel), lambda _: None)
            told = [span.name for span in lab.spans[before:]]
            assert told.count(f"send {place.exchange}") == MESSAGES, (name, told)
            # A message that is delivered again is told again, and whoever stops waiting is given all of them again; all
            # twice would be six of each.
            most = 6 * MESSAGES if "timed-out" in name else 4 * MESSAGES
            assert 3 * MESSAGES <= len(told) < most, (name, told)
    finally:
        for instrumentor in instrumentors:
            instrumentor.uninstrument()


def test_the_group_may_be_given(lab: Lab, place: Place) -> None:
    with raw(place.url) as channel:
        traced = wrap_consumer(lab.telemetry, channel, group="ledger")
        assert wrap_producer(lab.telemetry, traced) is traced
        assert isinstance(traced, type(channel))
        traced.basic_publish(place.exchange, "kind.1", b"x")
        traced.basic_get(place.queue)
        traced.close()
    (span,) = _named(lab, f"process {place.exchange}")
    assert (span.attributes or {})["messaging.consumer.group.name"] == "ledger"


@pytest.mark.parametrize("wrapping", [wrap_producer, wrap_consumer])
def test_what_is_no_channel_is_refused(lab: Lab, place: Place, wrapping: Callable[..., Any]) -> None:
    with (
        pika.BlockingConnection(pika.URLParameters(place.url)) as connection,
        pytest.raises(ConfigurationError, match="pika's channels"),
    ):
        wrapping(lab.telemetry, connection)


def test_uninstrument_puts_everything_back() -> None:
    from aio_pika.exchange import Exchange
    from aio_pika.queue import Queue, QueueIterator
    from pika.channel import Channel

    owners: list[Any] = [Exchange, Queue, QueueIterator, BlockingChannel, Channel]
    before = [dict(vars(owner)) for owner in owners]
    instrumentors: list[Any] = [PikaInstrumentor(), AioPikaInstrumentor()]
    for instrumentor in instrumentors:
        instrumentor.instrument()
    assert all(vars(owner) != old for owner, old in zip(owners, before, strict=True))
    for instrumentor in instrumentors:
        instrumentor.uninstrument()
    assert [dict(vars(owner)) for owner in owners] == before
