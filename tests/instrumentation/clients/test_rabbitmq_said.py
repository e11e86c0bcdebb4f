"""What goes wrong is called what it is: only a server that doesn't answer is called unreachable."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import aiormq
import aiormq.connection
import pika
import pytest

import flowtrail
from flowtrail.clients import ClientError, ReachedError, Subscription, choose_client
from flowtrail.clients import _aio_pika_errors as aio_pika_errors
from flowtrail.clients import _pika_errors as pika_errors
from flowtrail.clients._port import unreachable
from flowtrail.errors import PublishError
from instrumentation.clients.contract import Owned
from instrumentation.clients.rabbitmq_support import ADAPTERS, Opened, raw
from rabbitkit import hostile
from waiting import scaled, until

pytestmark = pytest.mark.parametrize("adapter", ADAPTERS)
UNREACHABLE = "no RabbitMQ broker reachable"


class Door:
    """A port that leads to the server until it is shut."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._behind = parts.hostname or "", parts.port or 5672
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{port}")
        self._open = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                behind = socket.create_connection(self._behind)
                self._open += [peer, behind]
                for pair in ((peer, behind), (behind, peer)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def shut(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def door(rabbitmq: str) -> Iterator[Door]:
    door = Door(rabbitmq)
    yield door
    door.shut()


def refused(adapter: str, url: str, name: str) -> ReachedError:
    client = choose_client(adapter, url)
    with pytest.raises(ReachedError) as caught:
        client.open_consumer([Subscription(name)], "g", Owned(), start="earliest")
    assert "\n" not in str(caught.value)
    assert UNREACHABLE not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("held", ["queue", "consumer"])
def test_a_queue_that_another_connection_has_for_itself(
    adapter: str, held: str, rabbitmq: str, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    with pika.BlockingConnection(pika.URLParameters(rabbitmq)) as connection:
        channel = connection.channel()
        if held == "queue":
            channel.queue_declare(f"{name}.g", exclusive=True)
        else:
            channel.queue_declare(f"{name}.g", durable=True)
            channel.basic_consume(f"{name}.g", lambda *_: None, exclusive=True)
        said = str(refused(adapter, rabbitmq, name))
    assert f"{name}.g" in said
    assert "for itself (exclusive): end that consumer, or choose another group" in said
    assert "set_permissions" not in said


def test_a_name_that_is_reserved(adapter: str, rabbitmq: str) -> None:
    client = choose_client(adapter, rabbitmq, {"queue": "{group}.{topic}"})
    with pytest.raises(ReachedError, match="choose another name"):
        client.open_consumer([Subscription("amq.mine")], "g", Owned(), start="earliest")


@pytest.mark.parametrize("code", [320, 501, 502, 503, 504, 505, 506, 540, 541])
def test_a_connection_that_the_server_ends_says_so_with_its_code(adapter: str, code: int) -> None:
    if adapter == "pika":
        said = pika_errors.failure_of(pika, pika.exceptions.ConnectionClosedByBroker(code, "WHY"))
    else:
        kind = aiormq.connection.EXCEPTION_MAPPING.get(code)
        ended = aiormq.exceptions.ConnectionClosed(code, "WHY") if kind is None else kind("WHY")
        said = aio_pika_errors.failure_of(aiormq, ended)
    assert isinstance(said, ReachedError)
    assert str(said) == f"RabbitMQ: {code} WHY"


def test_what_fails_at_tls_says_what_to_correct(adapter: str, rabbitmq: str) -> None:
    """The server's port without TLS."""
    client = choose_client(adapter, rabbitmq.replace("amqp://", "amqps://"))
    with pytest.raises(ClientError) as caught:
        client.open_producer()
    assert "nothing there speaks TLS" in str(caught.value)
    assert "start one" not in str(caught.value)


@pytest.mark.parametrize("kind", ["consumers", "dead letters"])
def test_a_new_queue_that_many_declare_at_once(
    adapter: str, kind: str, rabbitmq: str, topic: Callable[..., str]
) -> None:
    failed: list[ClientError] = []
    opened = Opened(adapter, rabbitmq)
    clients: list[Any] = [opened.client() for _ in range(6)]  # as many services

    def declare(name: str, number: int) -> None:
        if kind == "consumers":
            opened.member(Subscription(name), client=clients[0])
        else:
            assert clients[number].ensure_topics([name]) == {}

    try:
        for _ in range(4):
            name, barrier = topic("orders"), threading.Barrier(len(clients))

            def one(number: int, name: str = name, barrier: threading.Barrier = barrier) -> None:
                barrier.wait(scaled(20))
                try:
                    declare(name, number)
                except ClientError as error:
                    failed.append(error)

            threads = [threading.Thread(target=one, args=(number,)) for number in range(len(clients))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(scaled(40))
    finally:
        opened.close()
    assert failed == []


def test_a_client_that_stumbles_is_not_called_an_unreachable_broker(
    adapter: str, rabbitmq: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = choose_client(adapter, rabbitmq)

    def stumble(*_: object, **__: object) -> None:
        raise ValueError("odd")

    where = {"pika": "pika.BlockingConnection", "aio-pika": "aio_pika.connect"}[adapter]
    monkeypatch.setattr(where, stumble)
    with pytest.raises(Exception, match="odd") as caught:
        client.open_consumer([Subscription("orders")], "g", Owned(), start="earliest")
    assert UNREACHABLE not in str(caught.value)
    assert type(caught.value) is not ClientError


def test_a_message_that_the_client_cannot_read_names_its_queue(
    adapter: str, rabbitmq: str, topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with a version of it that has no room for our reading.
    monkeypatch.setattr(f"flowtrail.clients._{adapter.replace('-', '_')}.reading", lambda _: {})
    name = topic("orders")
    opened = Opened(adapter, rabbitmq)
    try:
        member = opened.member(Subscription(name))
        with raw(rabbitmq) as channel:
            channel.basic_publish(name, "E", b"odd", hostile("the last moment"))
        with pytest.raises(
            ReachedError, match=f"{adapter} can't read a message of {name}.g .*: remove it"
        ) as caught:
            member.until(lambda _: False)
        assert "\n" not in str(caught.value)
    finally:
        opened.close()


def test_while_the_server_is_away_a_publication_says_what_a_trail_says_at_its_start(
    adapter: str, door: Door, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    with pika.BlockingConnection(pika.URLParameters(door.url)) as connection:
        channel = connection.channel()
        channel.exchange_declare(name, "topic", durable=True)
        channel.queue_declare(f"{name}.q", durable=True)
        channel.queue_bind(f"{name}.q", name, "#")
    with closing(flowtrail.Trail("said", door.url, client=adapter)) as trail:
        trail.publish(name, {}, type="E")
        door.shut()

        def failed() -> str:
            with pytest.raises(PublishError) as caught:
                trail.publish(name, {}, type="E")
            assert caught.value.retriable
            assert "\n" not in str(caught.value)
            return str(caught.value)

        until(lambda: UNREACHABLE in failed(), "the server is known to be away")
        for place in (name, topic("other")):
            with pytest.raises(PublishError, match=f"{UNREACHABLE}.*start one") as caught:
                trail.publish(place, {}, type="E")
            assert str(caught.value).count(UNREACHABLE) == 1


@pytest.mark.parametrize(
    ("reason", "about_tls"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", True),
        ("ssl://localhost:9093/bootstrap: SSL handshake failed: certificate verify failed", True),
        ("SSLError: TLS alert", True),
        ("ssl://localhost:9093/bootstrap: Connect to ipv4#127.0.0.1:9093 failed: Connection refused", False),
        ("sasl_ssl://tls-broker:9093/bootstrap: timed out", False),
    ],
)
def test_only_a_failure_at_tls_is_said_to_be_one(adapter: str, reason: str, about_tls: bool) -> None:
    said = str(unreachable(choose_client(adapter, "amqp://localhost").kind, "there", OSError(reason)))
    assert ("TLS settings" in said) == about_tls
    assert ("start one" in said) != about_tls
