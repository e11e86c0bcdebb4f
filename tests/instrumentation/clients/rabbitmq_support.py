"""What the tests of RabbitMQ's own ways share."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pika

from flowtrail.clients import Client, Message, ProducerClient, Subscription, choose_client
from instrumentation.clients.contract import WAIT_SECONDS, Member, Owned
from waiting import scaled

ADAPTERS = ["pika", "aio-pika"]
Ends = dict[bytes, Exception | None]


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
