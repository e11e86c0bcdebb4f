"""Exchanges and queues of one test, under names of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pika

from flowtrail.wire.amqp import to_amqp
from waiting import scaled, wait_for


@dataclass(frozen=True)
class Place:
    """A real RabbitMQ.

    Attributes:
        url: AMQP URL of its first virtual host.
        management: base URL of its management API.
    """

    url: str
    management: str


class Corner:
    """What one test has on a server; everything in it begins with the same name.

    Args:
        place: the server.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.name = f"t{uuid4().hex[:10]}"
        self.stream = self.called("stream")
        self.exchanges = f"{self.name}\\..*"

    def called(self, name: str) -> str:
        """A name in this corner."""
        return f"{self.name}.{name}"

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A channel of raw pika that confirms what is published."""
        connection = pika.BlockingConnection(pika.URLParameters(self.place.url))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            if connection.is_open:
                connection.close()

    def version(self) -> str:
        """The server's."""
        with self.channel() as channel:
            said = channel.connection._impl.server_properties["version"]
        return said.decode() if isinstance(said, bytes) else str(said)

    def exchange(self, name: str, kind: str = "topic") -> str:
        """Declare an exchange; its name."""
        with self.channel() as channel:
            channel.exchange_declare(self.called(name), kind, durable=True)
        return self.called(name)

    def taken_exchange(self, name: str, kind: str = "topic") -> str:
        """Declare an exchange and a queue that takes all it gets; the exchange's name."""
        exchange = self.exchange(name, kind)
        self.queue(f"{name}.all", exchange)
        return exchange

    def queue(self, name: str, exchange: str = "", key: str = "#", **arguments: Any) -> str:
        """Declare a queue, bound to an exchange if one is given; its name."""
        with self.channel() as channel:
            named = {key.replace("_", "-"): value for key, value in arguments.items()}
            channel.queue_declare(self.called(name), durable=True, arguments=named)
            if exchange:
                channel.queue_bind(self.called(name), exchange, key)
        return self.called(name)

    def publish(
        self, exchange: str, count: int = 1, *, first: int = 0, kind: str = "OrderPlaced", size: int = 2
    ) -> None:
        """Publish events `first` to `first + count - 1`, each of a flow of its own, and wait until they are confirmed.

        Their payloads are JSON of `size` bytes.
        """
        with self.channel() as channel:
            for number in range(first, first + count):
                send(channel, exchange, number, kind, body=b"{" + b" " * (size - 2) + b"}")

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the management API; again while it fails, as it does while a queue that it lists goes away."""
        user = pika.URLParameters(self.place.url).credentials

        def ask() -> httpx.Response:
            return httpx.request(
                method,
                f"{self.place.management}/api/{path}",
                auth=(user.username, user.password),
                json=body,
                timeout=scaled(20),
            )

        answer = ask()

        def answered() -> bool:
            nonlocal answer
            if answer.status_code >= 500:
                answer = ask()
            return answer.status_code < 500

        wait_for(answered, 20)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def followed(self) -> set[str]:
        """The exchanges that the stream is bound to; it has to be there."""
        found = self.manage("GET", f"queues/%2F/{quote(self.stream)}/bindings")
        return {each["source"] for each in found if each["source"]}

    def depth(self, queue: str) -> int:
        """How many messages are ready in a queue, as the queue itself says."""
        with self.channel() as channel:
            found = channel.queue_declare(queue, passive=True)
        return int(found.method.message_count)

    def clear(self) -> None:
        """Take everything away."""
        for kind in ("queues", "exchanges"):
            for each in self.manage("GET", f"{kind}/%2F?columns=name"):
                if each["name"].startswith(self.name):
                    self.manage("DELETE", f"{kind}/%2F/{quote(each['name'], safe='')}")


def send(
    channel: Any, exchange: str, number: int, kind: str, *, mandatory: bool = False, body: bytes = b"{}"
) -> None:
    """Publish one event as flowtrail does; if it is mandatory, one that reaches no queue is an error."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{kind}-{number}".encode()),
        ("ce_type", kind.encode()),
        ("ce_source", b"/orders"),
        ("ce_subject", f"ORD-{number}".encode()),
        ("ce_correlationid", f"flow-{number}".encode()),
        ("content-type", b"application/json"),
    ]
    sent = to_amqp(None, body, headers, time.time_ns() // 1_000_000)
    properties = pika.BasicProperties(headers=sent.table, **sent.properties)
    channel.basic_publish(exchange, sent.routing_key, sent.body, properties, mandatory)
