"""Whatever headers a message has, it is read, the next one comes, and it goes on as it came."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pika
import pytest

from flowtrail.clients import Message, Subscription
from flowtrail.wire import Record
from flowtrail.wire.amqp_pika import decoded_properties, properties_with_table, reading_all
from flowtrail.wire.amqp_tables import encoded
from instrumentation.clients.rabbitmq_support import ADAPTERS, Opened, raw, send
from rabbitkit import HOSTILE, hostile

VALUES = {
    "price": 19.99,
    "within": [0.1, {"a": 1.25}],
    "true": True,
    "text": "t",
    "bytes": b"\xff",
    "none": None,
}


@pytest.fixture(params=ADAPTERS)
def opened(request: pytest.FixtureRequest, rabbitmq: str) -> Iterator[Opened]:
    opened = Opened(request.param, rabbitmq)
    yield opened
    opened.close()


def letter(record: Record, topic: str) -> Message:
    return Message(topic, record.key, record.value, record.headers, own=True)


def test_a_hostile_message_is_read_and_passed_on_like_any_other(
    opened: Opened, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    client = opened.client()
    member = opened.member(Subscription(name), client=client)
    with raw(opened.url) as channel:
        for odd in HOSTILE:
            channel.basic_publish(name, "E", odd.encode(), hostile(odd))
        channel.basic_publish(name, b"\xff\xfe", b"routing key")
        channel.basic_publish(name, "E", b"next")
    records = member.take(len(HOSTILE) + 2)
    bodies = [*(odd.encode() for odd in HOSTILE), b"routing key", b"next"]
    assert [record.value for record in records] == bodies
    letters = f"{name}.g.dlq"
    assert client.ensure_topics([letters]) == {}  # type: ignore[attr-defined]
    ends = send(opened.producer(client), *(letter(record, letters) for record in records))
    assert ends == dict.fromkeys(bodies)
    again = opened.member(Subscription(letters, own=True), client=client)
    assert [record.value for record in again.take(len(bodies))] == bodies


def test_values_are_passed_on_as_they_came(opened: Opened, topic: Callable[..., str]) -> None:
    name = topic("orders")
    letters = f"{name}.g.dlq"
    client = opened.client()
    member = opened.member(Subscription(name), client=client)
    with raw(opened.url) as channel:
        properties = properties_with_table(pika.BasicProperties)(encoded(VALUES))
        channel.basic_publish(name, "E", b"body", properties)
    (record,) = member.take(1)
    assert client.ensure_topics([letters]) == {}  # type: ignore[attr-defined]
    assert send(opened.producer(client), letter(record, letters)) == {b"body": None}
    parameters = pika.URLParameters(opened.url)
    with pika.BlockingConnection(parameters, _impl_class=reading_all(pika.SelectConnection)) as connection:
        _, kept, _ = connection.channel().basic_get(letters, auto_ack=True)
    assert {name: kept.headers[name] for name in VALUES} == VALUES
    assert decoded_properties(pika, b"".join(pika.BasicProperties().encode())).headers is None


def test_a_letter_that_comes_back_to_its_producer_breaks_nothing(
    opened: Opened, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    member = opened.member(Subscription(name))
    with raw(opened.url) as channel:
        channel.basic_publish(name, "E", b"odd", hostile("a name that isn't UTF-8"))
    (record,) = member.take(1)
    producer = opened.producer()
    nowhere = Message(topic("nowhere"), None, b"back", record.headers, own=True)
    assert "RabbitMQ has no queue" in str(send(producer, nowhere)[b"back"])
    assert send(producer, Message(name, None, b"next", [("ce_type", b"E")])) == {b"next": None}
