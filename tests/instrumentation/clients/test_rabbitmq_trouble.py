"""RabbitMQ in trouble, or not as it should be: each is one line that says what to do."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from flowtrail.clients import ClientError, RefusedError, Subscription, choose_client
from instrumentation.clients.contract import Owned
from instrumentation.clients.rabbitmq_support import ADAPTERS, Opened, event, send
from servers import RabbitServer
from waiting import scaled, until, wait_for

pytestmark = pytest.mark.parametrize("adapter", ADAPTERS)


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
            until(lambda: rabbitmq_server.has_alarm, "the alarm")
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
            rabbitmq_server.manage("DELETE", "connections/" + quote(connection["name"], safe=""))
        with pytest.raises(ClientError):
            member.until(lambda _: False)
        until(lambda: send(producer, event(name, b"2"))[b"2"] is None, "the producer has connected again")
        again = opened.member(Subscription(name))
        assert {record.value for record in again.take(2)} == {b"1", b"2"}
    finally:
        opened.close()
