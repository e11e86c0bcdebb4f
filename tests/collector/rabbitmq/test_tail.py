"""What RabbitMQ's exchanges route is read once, in order, and never taken from anybody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from flowtrail_collector.brokers.rabbitmq.deliveries import Deliveries
from flowtrail_collector.brokers.rabbitmq.stream import IDENTITY
from rabbitkit import CLIENTS, Corner, Following, change_client
from waiting import until

pytestmark = pytest.mark.servers

# What another type of exchange routes can't be copied without taking it from others.
KINDS = ["topic", "fanout", "headers", "direct"]


class Client:
    """Which client reads, and how many messages came through its public callback."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.called_back = 0


@pytest.fixture(params=CLIENTS[:2], autouse=True)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """What is promised, is promised with every version of the client."""
    client = Client(request.param)
    on_message = Deliveries._on_message

    def counted(self: Deliveries, *arguments: Any) -> None:
        client.called_back += 1
        on_message(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Deliveries, "_on_message", counted)
        change_client(client.kind, patch)
        yield client


def ids(exchange: str, numbers: range) -> dict[tuple[str, str], int]:
    return {(f"rabbitmq:{exchange}", f"OrderPlaced-{number}"): 1 for number in numbers}


def start(corner: Corner, following: Following, *exchanges: str) -> None:
    following.start()
    until(lambda: following.problem() == "", "the tail")
    until(lambda: corner.followed() >= set(exchanges), "bindings")


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
def test_restarts_read_every_event_once_and_queues_keep_theirs(
    corner: Corner, following: Following, client: Client
) -> None:
    orders = corner.exchange("orders")
    queue = corner.queue("orders.billing", orders)
    start(corner, following, orders)
    corner.publish(orders, 5)
    until(lambda: len(following.events()) == 5, "the first events")
    following.stop()
    corner.publish(orders, 5, first=5)
    following.start()
    corner.publish(orders, 5, first=10)
    until(lambda: len(following.events()) >= 15, "the others")
    assert following.events() == ids(orders, range(15))
    assert corner.depth(queue) == 15
    started = [
        line for line in following.metrics().splitlines() if line.startswith("flowtrail_saga_started_total{")
    ]
    assert [line.rpartition(" ")[2] for line in started] == ["15.0"]
    assert (client.called_back == 0) == (client.kind == "as it is")


def test_large_and_small_messages_are_read_whole(corner: Corner, following: Following) -> None:
    orders = corner.taken_exchange("orders")
    start(corner, following, orders)
    corner.publish(orders, 2)
    corner.publish(orders, 2, first=2, size=900_000)
    corner.publish(orders, 2, first=4)
    until(lambda: len(following.events()) >= 6, "events")
    assert following.events() == ids(orders, range(6))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_exchange_is_followed(corner: Corner, following: Following, kind: str) -> None:
    exchange = corner.exchange("orders", kind)
    corner.queue("orders.billing", exchange, "OrderPlaced")
    start(corner, following, exchange)
    corner.publish(exchange, 3)
    until(lambda: len(following.events()) >= 3, "events")
    assert following.events() == ids(exchange, range(3))


def test_an_exchange_that_shares_out_its_messages_is_left_alone(corner: Corner, following: Following) -> None:
    orders, shared = corner.taken_exchange("orders"), corner.exchange("shared", "x-consistent-hash")
    queue = corner.queue("mine", shared, "1")
    start(corner, following, orders)
    corner.publish(shared, 20)
    corner.publish(orders, 1)
    until(lambda: len(following.events()) >= 1, "the event of the other exchange")
    assert corner.followed() == {orders}
    assert corner.depth(queue) == 20


def test_a_new_exchange_is_followed_and_what_is_no_longer_wanted_unbound(
    corner: Corner, following: Following
) -> None:
    orders = corner.taken_exchange("orders")
    start(corner, following, orders)
    payments = corner.taken_exchange("payments")
    until(lambda: corner.followed() == {orders, payments}, "the new exchange")
    with corner.channel() as channel:
        channel.exchange_declare("amq.topic", passive=True)
        channel.queue_bind(corner.stream, "amq.topic", "#")
    until(lambda: corner.followed() == {orders, payments}, "the stranger to be unbound")


def test_without_events_time_goes_on(corner: Corner, following: Following) -> None:
    start(corner, following, corner.taken_exchange("orders"))
    began = int(time.time() * 1000)
    until(lambda: following.watermark_ms() > began, "the watermark")
    assert following.watermark_ms() <= time.time() * 1000


def test_a_stream_that_was_deleted_is_begun_anew(corner: Corner, following: Following) -> None:
    orders = corner.taken_exchange("orders")
    start(corner, following, orders)
    corner.publish(orders, 8)
    until(lambda: len(following.events()) == 8, "events")
    deleted = _identities(corner)
    corner.manage("DELETE", f"queues/%2F/{quote(corner.stream)}")

    def declared_again() -> bool:
        # The management API goes on listing the deleted one for a while.
        there = _identities(corner)
        return bool(there) and there.isdisjoint(deleted) and orders in corner.followed()

    until(declared_again, "the stream")
    corner.publish(orders, 2, first=8)
    until(lambda: len(following.events()) >= 10, "what came after")
    assert following.events() == ids(orders, range(10))


def _identities(corner: Corner) -> set[str]:
    """What tells the stream from others of its name; one that isn't there has none."""
    there = corner.manage("GET", "queues/%2F?columns=name,arguments")
    return {each["arguments"].get(IDENTITY, "") for each in there if each["name"] == corner.stream}
