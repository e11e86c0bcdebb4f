"""What is RabbitMQ's own: routing, refusals, returned messages, and servers that are in trouble."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest

from flowtrail.clients import (
    Client,
    ClientError,
    Message,
    ProducerClient,
    RefusedError,
    Subscription,
    TooLargeError,
    UnroutableError,
    choose_client,
)
from flowtrail.errors import ConfigurationError
from flowtrail.wire.retry_topics import DUE
from instrumentation.clients.contract import Member, Owned
from servers import RabbitServer
from waiting import scaled, until, wait_for

ADAPTERS = ["pika", "aio-pika"]
WAIT_SECONDS = 30.0
Ends = dict[bytes, Exception | None]

pytestmark = pytest.mark.parametrize("adapter", ADAPTERS)


class Opened:
    """Opens clients of one adapter, and closes what they opened."""

    def __init__(self, adapter: str, url: str) -> None:
        self.adapter = adapter
        self.url = url
        self._opened: list[Any] = []

    def client(self, url: str | None = None, **settings: Any) -> Client:
        return choose_client(self.adapter, url or self.url, settings)

    def producer(self, client: Client | None = None) -> ProducerClient:
        self._opened.append((client or self.client()).open_producer())
        return self._opened[-1]

    def member(self, *subscriptions: Subscription, client: Client | None = None, group: str = "g") -> Member:
        member = Member.__new__(Member)
        member.owned = Owned()
        client = client or self.client()
        member.consumer = client.open_consumer(list(subscriptions), group, member.owned, start="earliest")
        self._opened.append(member.consumer)
        return member

    def close(self) -> None:
        for opened in reversed(self._opened):
            opened.close(10.0)


@pytest.fixture
def opened(adapter: str, rabbitmq: str) -> Iterator[Opened]:
    opened = Opened(adapter, rabbitmq)
    yield opened
    opened.close()


def send(producer: ProducerClient, *messages: Message) -> Ends:
    """Send, and wait for how each value ended."""
    ends: Ends = {}
    for message in messages:
        value = message.value or b""

        def note(where: Any, error: Exception | None, value: bytes = value) -> None:
            ends[value] = error

        try:
            producer.send(message, note)
        except Exception as error:
            ends[value] = error
    assert producer.flush(scaled(WAIT_SECONDS))
    assert len(ends) == len(messages)
    return ends


def event(topic: str, value: bytes, type: str = "OrderPlaced", **fields: Any) -> Message:
    return Message(topic, None, value, [("ce_id", value[:20]), ("ce_type", type.encode())], **fields)


@contextlib.contextmanager
def raw(url: str) -> Iterator[Any]:
    """A channel of a connection that is closed in the end."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        yield connection.channel()


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


def test_an_exchange_that_was_deleted_is_declared_again(opened: Opened, topic: Callable[..., str]) -> None:
    name = topic("orders")
    member = opened.member(Subscription(name))
    client = opened.client()
    producer = opened.producer(client)
    assert send(producer, event(name, b"1")) == {b"1": None}
    with raw(opened.url) as channel:
        channel.exchange_delete(name)
        error = send(producer, event(name, b"2"))[b"2"]
        assert error is not None
        assert client.is_retriable(error)
        assert type(send(producer, event(name, b"3"))[b"3"]) is UnroutableError, "its bindings went with it"
        channel.queue_bind(f"{name}.g", name, "#")
    assert send(producer, event(name, b"4")) == {b"4": None}
    assert [record.value for record in member.take(2)] == [b"1", b"4"]


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


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"queue_type": "stream"}, "queue_type is 'stream', should be"),
        ({"prefetch": 0}, "prefetch is 0, should be from 1"),
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


def refused(call: Callable[[], object]) -> str:
    """What an error says, in one line."""
    with pytest.raises(RefusedError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_user_vhost_or_permission_is_one_line_that_says_what_to_do(
    adapter: str, rabbitmq_server: RabbitServer, topic: Callable[..., str]
) -> None:
    server, name = rabbitmq_server, topic("orders")
    assert "correct the URL" in refused(
        choose_client(adapter, server.url_of("/", "guest", "no")).open_producer
    )
    assert "add_vhost" in refused(choose_client(adapter, server.url_of("nowhere")).open_producer)
    url = server.user(topic("user"), configure="^$", write=".*", read=".*")
    client: Any = choose_client(adapter, url)
    said = refused(lambda: client.open_consumer([Subscription(name)], "g", Owned(), start="earliest"))
    assert name in said
    assert "set_permissions" in said
    (reason,) = client.ensure_topics([f"{name}.g.dlq"]).values()
    assert "set_permissions" in reason
    producer = client.open_producer()
    error = send(producer, event(name, b"1"))[b"1"]
    producer.close(5)
    assert isinstance(error, RefusedError)
    assert not client.is_retriable(error)
    unknown = choose_client(adapter, server.url, {"declare": False})
    said = refused(lambda: unknown.open_consumer([Subscription(name)], "g", Owned(), start="earliest"))
    assert f"no exchange '{name}'" in said
    assert "declare" in said


def test_a_server_that_is_not_there_is_a_client_error(adapter: str) -> None:
    client = choose_client(adapter, "amqp://127.0.0.1:1/,amqp://127.0.0.1:2/")
    for call in (client.open_producer, lambda: client.open_consumer([], "g", Owned(), start="earliest")):
        with pytest.raises(ClientError) as caught:
            call()
        assert not isinstance(caught.value, RefusedError)
        assert "\n" not in str(caught.value)


def test_while_an_alarm_is_on_publications_fail_with_the_reason(
    adapter: str, rabbitmq_server: RabbitServer, topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowtrail.clients._rabbitmq.BLOCKED_SECONDS", scaled(2))
    monkeypatch.setattr("flowtrail.clients._aio_pika_producer.BLOCKED_SECONDS", scaled(2))
    opened, name = Opened(adapter, rabbitmq_server.url), topic("orders")
    try:
        member = opened.member(Subscription(name))
        producer = opened.producer()
        assert send(producer, event(name, b"1")) == {b"1": None}
        rabbitmq_server.control("set_vm_memory_high_watermark", "absolute", "1MB")
        try:
            error = send(producer, event(name, b"2"))[b"2"]
        finally:
            rabbitmq_server.control("set_vm_memory_high_watermark", "0.4")
        assert isinstance(error, ClientError)
        assert "free memory or disk on the server" in str(error)
        until(lambda: send(producer, event(name, b"3"))[b"3"] is None, "publications go again")
        assert b"3" in {
            record.value for record in member.until(lambda found: any(r.value == b"3" for r in found))
        }
    finally:
        opened.close()


def test_a_connection_that_is_cut_ends_the_consumer_and_not_the_producer(
    adapter: str, rabbitmq_server: RabbitServer, topic: Callable[..., str]
) -> None:
    opened, name = Opened(adapter, rabbitmq_server.url), topic("orders")
    try:
        member = opened.member(Subscription(name))
        producer = opened.producer()
        assert send(producer, event(name, b"1")) == {b"1": None}
        assert wait_for(lambda: len(rabbitmq_server.manage("GET", "connections")) >= 2, 30)
        for connection in rabbitmq_server.manage("GET", "connections"):
            rabbitmq_server.manage("DELETE", "connections/" + connection["name"].replace(" ", "%20"))
        with pytest.raises(ClientError):
            member.until(lambda _: False)
        until(lambda: send(producer, event(name, b"2"))[b"2"] is None, "the producer has connected again")
        again = opened.member(Subscription(name))
        assert {record.value for record in again.take(2)} == {b"1", b"2"}
    finally:
        opened.close()
