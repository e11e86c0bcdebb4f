"""What is RabbitMQ's own: routing, returned and refused messages, what is there already, settings."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest

from flowtrail.clients import (
    ClientError,
    Message,
    Subscription,
    TooLargeError,
    UnroutableError,
    choose_client,
)
from flowtrail.errors import ConfigurationError
from flowtrail.wire.retry_topics import DUE
from instrumentation.clients.rabbitmq_support import ADAPTERS, Opened, event, raw, send
from waiting import until

pytestmark = pytest.mark.parametrize("adapter", ADAPTERS)


@pytest.fixture
def opened(adapter: str, rabbitmq: str) -> Iterator[Opened]:
    opened = Opened(adapter, rabbitmq)
    yield opened
    opened.close()


def test_a_group_gets_the_types_that_it_asked_for(opened: Opened, topic: Callable[..., str]) -> None:
    name = topic("orders")
    some = opened.member(Subscription(name, frozenset({"Paid", "org.example.Shipped"})), group="some")
    everything = opened.member(Subscription(name), group="all")
    types = ["OrderPlaced", "Paid", "org.example.Shipped", "org.example.Other"]
    send(opened.producer(), *(event(name, type.encode(), type) for type in types))
    assert [record.value for record in everything.take(4)] == [type.encode() for type in types]
    assert [record.value for record in some.take(2)] == [b"Paid", b"org.example.Shipped"]


def test_what_no_queue_takes_is_an_error_and_harms_no_other(
    opened: Opened, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    member = opened.member(Subscription(name, frozenset({"Paid"})))
    ends = send(
        opened.producer(),
        *(event(name, b"%d" % number, "Lost" if number % 3 == 1 else "Paid") for number in range(30)),
    )
    lost = {value for value, error in ends.items() if error is not None}
    assert lost == {b"%d" % number for number in range(30) if number % 3 == 1}
    assert all(type(ends[value]) is UnroutableError for value in lost)
    assert "no queue takes Lost of exchange" in str(ends[b"1"])
    assert [record.value for record in member.take(20)] == [b"%d" % n for n in range(30) if n % 3 != 1]


def test_a_refused_message_fails_alone(opened: Opened, topic: Callable[..., str]) -> None:
    """Its refusal closes the channel, on which the confirmations of the others are outstanding."""
    name = topic("orders")
    member = opened.member(Subscription(name))
    large = {7, 8, 23}
    bodies = [b"%d" % number + b"x" * (2_000_000 if number in large else 0) for number in range(40)]
    ends = send(opened.producer(), *(event(name, body) for body in bodies))
    assert {number for number, body in enumerate(bodies) if ends[body] is not None} == large
    assert all(isinstance(ends[bodies[number]], TooLargeError) for number in large)
    records = member.until(lambda found: len({record.value for record in found}) == 37)
    firsts = list(dict.fromkeys(record.value for record in records))
    assert firsts == [body for number, body in enumerate(bodies) if number not in large], "in order"


def test_headers_that_fit_in_no_frame_are_refused_for_their_size(
    opened: Opened, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    opened.member(Subscription(name))
    message = Message(name, None, b"v", [("big", b"x" * 140_000)])
    ends = send(opened.producer(), message, event(name, b"after"))
    assert isinstance(ends[b"v"], TooLargeError)
    assert ends[b"after"] is None


def test_dead_letters_are_kept_without_a_subscriber_and_keep_everything(
    opened: Opened, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    letters = f"{name}.g.dlq"
    client = opened.client()
    member = opened.member(Subscription(name))
    death = [{"queue": "q", "reason": "expired", "count": 3, "exchange": "x", "routing-keys": ["a"]}]
    with raw(opened.url) as channel:
        properties = pika.BasicProperties(
            headers={"ce-id": "1", "x-death": death, "number": 7}, content_type="text/plain", reply_to="r"
        )
        channel.basic_publish(name, "some.key", b"body", properties)
        (record,) = member.take(1)
        assert client.ensure_topics([letters]) == {}  # type: ignore[attr-defined]
        ends = send(
            opened.producer(client), Message(letters, record.key, record.value, record.headers, own=True)
        )
        assert ends == {b"body": None}
        method, kept, body = channel.basic_get(letters, auto_ack=True)
    assert method is not None
    assert body == b"body"
    kept.headers.pop("x-delivery-count", None)  # the server's own, of a quorum queue
    assert {**kept.headers, "timestamp_in_ms": 0} == {
        "ce-id": "1", "x-death": death, "number": 7, "amqp.routing_key": "some.key", "timestamp_in_ms": 0,
    }  # fmt: skip
    assert (kept.content_type, kept.reply_to) == ("text/plain", "r")


def test_what_is_to_be_retried_waits_until_it_is_due(opened: Opened, topic: Callable[..., str]) -> None:
    retries = topic("retry")
    client = opened.client()
    member = opened.member(Subscription(retries, own=True), client=client)
    due_ms = time.time_ns() // 1_000_000 + 1500
    message = Message(retries, b"k", b"v", [(DUE, b"%d" % due_ms)], own=True)
    assert send(opened.producer(client), message) == {b"v": None}
    (record,) = member.take(1)
    assert time.time_ns() // 1_000_000 >= due_ms - 1
    assert (record.topic, record.key, record.value) == (retries, b"k", b"v")
    assert b"expired" in (dict(record.headers)["x-death"] or b"")


def test_a_dead_letter_queue_that_was_deleted_is_an_error_until_it_is_declared_again(
    opened: Opened, topic: Callable[..., str]
) -> None:
    letters = topic("dlq")
    client: Any = opened.client()
    producer = opened.producer(client)
    client.ensure_topics([letters])
    assert send(producer, event(letters, b"1", own=True)) == {b"1": None}
    with raw(opened.url) as channel:
        channel.queue_delete(letters)
    assert type(send(producer, event(letters, b"2", own=True))[b"2"]) is UnroutableError
    client.ensure_topics([letters])
    assert send(producer, event(letters, b"3", own=True)) == {b"3": None}


def test_an_exchange_that_was_deleted_is_declared_and_bound_again(
    opened: Opened, topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowtrail.clients._rabbitmq.BIND_SECONDS", 0.2)
    name, others = topic("orders"), topic("others")
    member = opened.member(Subscription(name, frozenset({"OrderPlaced", "Paid"})), Subscription(others))
    client = opened.client()
    producer = opened.producer(client)
    assert send(producer, event(name, b"1"), event(others, b"2")) == {b"1": None, b"2": None}
    with raw(opened.url) as channel:
        channel.exchange_delete(name)
    seen = {record.value for record in member.poll()}
    numbers = iter(range(3, 10_000))
    taken: list[bytes] = []

    def published() -> bool:
        value = b"%d" % next(numbers)
        error = send(producer, event(name, value, "Paid"))[value]
        assert error is None or type(error) is UnroutableError or client.is_retriable(error)
        seen.update(record.value for record in member.poll())
        taken.extend([value] if error is None else [])
        return error is None

    until(published, "its queue is bound again")
    wanted = {b"1", b"2", taken[0]}
    member.until(lambda found: wanted <= seen | {record.value for record in found})


def test_what_no_queue_takes_says_that_a_running_consumer_binds_again(
    opened: Opened, topic: Callable[..., str]
) -> None:
    error = send(opened.producer(), event(topic("orders"), b"1"))[b"1"]
    assert "binds its queue again" in str(error)


def test_a_queue_that_is_deleted_ends_its_consumer_with_a_reason(
    opened: Opened, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    member = opened.member(Subscription(name))
    member.poll()
    with raw(opened.url) as channel:
        channel.queue_delete(f"{name}.g")
    with pytest.raises(ClientError, match=rf"queue {name}\.g was deleted"):
        member.until(lambda _: False)


def test_what_is_there_already_is_used_as_it_is(opened: Opened, topic: Callable[..., str]) -> None:
    name = topic("orders")
    with raw(opened.url) as channel:
        channel.exchange_declare(name, "fanout", durable=True)
        channel.queue_declare(f"{name}.g", durable=True, arguments={"x-max-length": 1000})
    member = opened.member(Subscription(name, frozenset({"Paid"})))
    assert send(opened.producer(), event(name, b"1")) == {b"1": None}
    assert [record.value for record in member.take(1)] == [b"1"]


def test_names_and_types_are_settable(opened: Opened, topic: Callable[..., str]) -> None:
    name = topic("orders")
    client = opened.client(
        queue="{group}/{topic}", queue_type="classic", queue_arguments={"x-max-length": 5}, prefetch=3
    )
    member = opened.member(Subscription(name), client=client)
    with raw(opened.url) as channel:
        declared = channel.queue_declare(
            f"g/{name}", durable=True, arguments={"x-queue-type": "classic", "x-max-length": 5}
        )
        assert declared.method.consumer_count == 1
    send(opened.producer(client), *(event(name, b"%d" % number) for number in range(5)))
    assert len(member.take(3)) == 3
    waited = time.monotonic() + 0.5
    while time.monotonic() < waited:
        assert member.poll() == [], "the others wait at the server"


def test_one_member_at_a_time_reads_where_that_is_asked_for(
    opened: Opened, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    client = opened.client(single_active_consumer=True)
    first = opened.member(Subscription(name), client=client)
    second = opened.member(Subscription(name), client=client)
    send(opened.producer(client), *(event(name, b"%d" % number) for number in range(20)))
    assert [record.value for record in first.take(20)] == [b"%d" % number for number in range(20)]
    assert second.poll() == []
    first.consumer.close(10)
    assert [record.value for record in second.take(20)] == [b"%d" % number for number in range(20)]


def test_each_key_keeps_its_order_over_a_consistent_hash_exchange(
    opened: Opened, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    hashed, queues = f"{name}.g", [f"{name}.g.{number}" for number in range(3)]
    with raw(opened.url) as channel:
        channel.exchange_declare(name, "topic", durable=True)
        channel.exchange_declare(
            hashed, "x-consistent-hash", durable=True, arguments={"hash-header": "cloudEvents_partitionkey"}
        )
        channel.exchange_bind(hashed, name, "#")
        for queue in queues:
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_bind(queue, hashed, "10")
    members = [
        opened.member(
            Subscription(name), client=opened.client(queue=f"{{topic}}.{{group}}.{number}", declare=False)
        )
        for number in range(3)
    ]
    keys = [f"k-{number}".encode() for number in range(12)]
    sent = [(keys[number % 12], b"%d" % number) for number in range(72)]
    send(opened.producer(), *(Message(name, key, value, [("ce_type", b"Paid")]) for key, value in sent))
    seen: list[list[tuple[bytes | None, bytes | None]]] = [[], [], []]

    def complete() -> bool:
        for member, records in zip(members, seen, strict=True):
            records += [(record.key, record.value) for record in member.poll()]
        return sum(map(len, seen)) == len(sent)

    until(complete, lambda: seen)
    owners = [{key for key, _ in records} for records in seen]
    assert sum(map(len, owners)) == len(keys), "a key has one member"
    assert sum(map(bool, owners)) > 1, "the keys are spread"
    for key in keys:
        (order,) = [found for records in seen if (found := [one for one in records if one[0] == key])]
        assert order == [one for one in sent if one[0] == key]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"queue_type": "stream"}, "queue_type is 'stream', should be"),
        ({"prefetch": 0}, "prefetch is 0, should be a whole number, from 1 to 65535"),
        ({"queue": "orders"}, "all groups would share it"),
        ({"queue": "{nobody}"}, "should be made of {topic} and {group}"),
    ],
)
def test_settings_that_make_no_sense_are_refused(adapter: str, setting: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        choose_client(adapter, "amqp://localhost", setting)


@pytest.mark.parametrize("address", ["localhost:5672", "http://localhost", "amqp://", "", "amqp://h:port/"])
def test_an_address_that_is_none_is_refused_without_its_password(adapter: str, address: str) -> None:
    with pytest.raises(ConfigurationError, match="amqp://user:password@host:5672/vhost"):
        choose_client(adapter, address or ",")
    with pytest.raises(ConfigurationError) as caught:
        choose_client(adapter, "ampq://shop:secret@host/")
    assert "secret" not in str(caught.value)
    assert "secret" not in choose_client(adapter, "amqp://shop:secret@host/").address
