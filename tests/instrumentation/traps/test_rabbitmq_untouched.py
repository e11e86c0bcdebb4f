"""What a program sends over RabbitMQ stays its own, and so do the arguments that it calls its client with."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from flowtrail._wrap import leave_alone
from instrumentation.clients.rabbitmq_support import raw
from instrumentation.support import Lab
from instrumentation.transparency.forms import Form, forms, parameters_of
from instrumentation.traps.rabbitmq_programs import Place, Wrap


def test_messages_of_a_program_stay_as_they_are(lab: Lab, place: Place, wrap: Wrap) -> None:
    table = {"mine": 7, "when": [1, "a"], "x-death": [{"count": 3}], "CE-Id": "old", "nothing": None}
    with raw(place.url) as real:
        channel = wrap(real)
        properties = pika.BasicProperties(
            headers=dict(table), correlation_id="call-7", reply_to="answers", type="kind", expiration="60000"
        )
        for _ in range(2):
            channel.basic_publish(place.exchange, "kind.1", b"x", properties)
        assert properties.headers == table
    with raw(place.url) as untouched:
        for _ in range(2):
            _, got, body = untouched.basic_get(place.queue)
            assert body == b"x"
            found = dict(got.headers)
            assert {name: found.pop(name) for name in ("mine", "when", "x-death", "nothing")} == {
                name: table[name] for name in ("mine", "when", "x-death", "nothing")
            }
            assert found.pop("cloudEvents_id") == "old", "the program says which event it is"
            assert set(found) == {
                "cloudEvents_specversion", "cloudEvents_source", "cloudEvents_time", "cloudEvents_correlationid",
                "traceparent", "timestamp_in_ms",
            }  # fmt: skip
            for field in ("correlation_id", "reply_to", "type", "expiration", "message_id", "content_type"):
                assert getattr(got, field) == getattr(properties, field)


@pytest.mark.parametrize("form", forms(parameters_of(BlockingChannel.basic_publish)), ids=str)
def test_arguments_of_basic_publish_are_handed_on_as_they_came(
    form: Form, lab: Lab, place: Place, wrap: Wrap
) -> None:
    """An untouched channel and a traced one send the same, or refuse the same."""
    values = {"exchange": place.exchange, "routing_key": "kind.1", "body": b"x", "mandatory": True,
              "properties": pika.BasicProperties(priority=3, headers={"mine": "1"})}  # fmt: skip

    def sent(channel: Any, get: Any) -> tuple[str, Any]:
        arguments, named = form.of(values)
        try:
            channel.basic_publish(*arguments, **named)
        except TypeError as error:
            return str(error), None
        method, properties, body = get.basic_get(place.queue, auto_ack=True)
        return "", method and (method.exchange, method.routing_key, properties.priority, body)

    with raw(place.url) as untouched, raw(place.url) as real:
        leave_alone(untouched)
        for channel in (untouched, real):
            channel.confirm_delivery()
        plain = sent(untouched, untouched)
        assert sent(wrap(real), untouched) == plain


def test_an_aio_pika_message_stays_as_it_is(lab: Lab, place: Place, wrap: Wrap) -> None:
    message = aio_pika.Message(
        b"x", headers={"mine": 7}, correlation_id="call-7", expiration=60, priority=3, type="kind"
    )

    async def run() -> None:
        async with await aio_pika.connect(place.url) as connection:
            exchange = await wrap(await connection.channel()).get_exchange(place.exchange)
            await asyncio.gather(*[exchange.publish(message, "kind.1") for _ in range(2)])
            queue = await (await connection.channel()).get_queue(place.queue)
            first, second = await queue.get(no_ack=True), await queue.get(no_ack=True)
            for got in (first, second):
                assert (got.correlation_id, got.expiration, got.priority, got.type) == (
                    "call-7",
                    60,
                    3,
                    "kind",
                )
                assert got.headers["mine"] == 7
            assert first.headers["cloudEvents_id"] != second.headers["cloudEvents_id"]

    asyncio.run(run())
    assert message.headers == {"mine": 7}
