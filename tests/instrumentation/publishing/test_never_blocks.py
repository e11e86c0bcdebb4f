"""A coroutine that publishes never stops its loop, whatever the client has to wait for.

The cases are every client, in and outside a handler, and every way to publish; the broker behind the producer takes
connections and never answers, so that nothing but waiting can come of it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from typing import Any

import confluent_kafka
import pytest
from prometheus_client import CollectorRegistry

import flowtrail
from devbroker import DevBroker
from instrumentation.delivery.ground import ground_of
from instrumentation.handlers.shapes import SHAPES, Shape
from waiting import scaled, until

pytestmark = pytest.mark.slow

CLIENTS = ("kafka-python", "confluent", "aiokafka")
PLACES = ("outside", "in a handler")
BOOTSTRAP = {"confluent": "bootstrap.servers"}
IMPATIENT = {"kafka-python": {"bootstrap_timeout_ms": 1500}}
# kafka-python's `send` can't be called off; the others end what is under way when they are closed.
WITHOUT_PATIENCE = {"kafka-python": {"max_block_ms": 5000}}


@pytest.fixture
def silence() -> Iterator[str]:
    """Address of a server that lets everybody connect and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowtrail.clients._confluent._CONNECT_SECONDS", 1.5)
    monkeypatch.setattr("flowtrail.clients._aiokafka._CONNECT_SECONDS", 1.5)


def _settings(client: str, producer_at: str) -> dict[str, Any]:
    return {
        "producer": {BOOTSTRAP.get(client, "bootstrap_servers"): producer_at, **IMPATIENT.get(client, {})}
    }


def _registered(trail: flowtrail.Trail, function: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    return trail.producer("payments", type="PaymentCompleted", **settings)(function)


def _data() -> dict[str, int]:
    return {"cents": 5}


async def _data_later() -> dict[str, int]:
    return {"cents": 5}


class _Object:
    async def __call__(self) -> dict[str, int]:
        return await _data_later()


def _publish(trail: flowtrail.Trail) -> object:
    return trail.publish("payments", _data(), type="PaymentCompleted")


def _publish_later(trail: flowtrail.Trail) -> object:
    return trail.publish("payments", _data(), type="PaymentCompleted", wait=False)


def _plain_function(trail: flowtrail.Trail) -> object:
    return _registered(trail, _data)()


def _coroutine_function(trail: flowtrail.Trail) -> object:
    return _registered(trail, _data_later)()


def _coroutine_function_without_waiting(trail: flowtrail.Trail) -> object:
    return _registered(trail, _data_later, wait=False)()


def _partial(trail: flowtrail.Trail) -> object:
    return _registered(trail, functools.partial(_data_later))()


def _lambda(trail: flowtrail.Trail) -> object:
    return _registered(trail, lambda: _data_later())()  # noqa: PLW0108 - no coroutine function, and yet one


def _object(trail: flowtrail.Trail) -> object:
    return _registered(trail, _Object())()


WAYS = (_publish, _publish_later, _plain_function, _coroutine_function, _coroutine_function_without_waiting,
        _partial, _lambda, _object)  # fmt: skip
CASES = [pytest.param(*case, id=" ".join([*case[:2], case[2].__name__.strip("_")]))
         for case in product(CLIENTS, PLACES, WAYS)]  # fmt: skip


class Sent:
    """How many publications the library's own metrics say have ended, and how."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def failed(self) -> int:
        return int(sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "messaging_client_sent_messages_total" and sample.labels.get("error_type")
        ))  # fmt: skip


async def _turns(way: Callable[[flowtrail.Trail], object], trail: flowtrail.Trail, sent: Sent) -> bool:
    """Publish, and see whether the loop turned before the outcome was known."""
    before = sent.failed()
    made = way(trail)
    waiting = asyncio.ensure_future(_end(made)) if isinstance(made, Awaitable) else None
    for _ in range(3):
        await asyncio.sleep(0.001)
    turned = sent.failed() == before
    if waiting is not None:
        await asyncio.wait({waiting})
        waiting.exception()
    return turned


async def _end(made: Awaitable[Any]) -> None:
    await made


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("client", "place", "way"), CASES)
def test_the_loop_turns_while_the_client_waits(
    client: str, place: str, way: Callable[[flowtrail.Trail], object], devbroker: str, silence: str,
    topic: Callable[..., str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    sent, turned = Sent(), []
    trail = flowtrail.Trail(
        topic("billing"), devbroker, client=client, client_settings=_settings(client, silence),
        registry=sent.registry, timing=flowtrail.Timing(shutdown_timeout_seconds=2.0),
    )  # fmt: skip
    with caplog.at_level(logging.ERROR, logger="flowtrail.publish"):
        if place == "outside":
            turned.append(asyncio.run(_turns(way, trail, sent)))
        else:
            orders = _orders(trail, lambda: _turns(way, trail, sent), turned, devbroker, topic)
            with trail.running():
                until(lambda: turned, f"a handler of {orders}")
                until(sent.failed, "the failure")
        until(sent.failed, "the failure")  # counted, whoever waited
        trail.close()
    assert turned[0], "the loop stood still"
    assert caplog.records, "and logged"


def _orders(
    trail: flowtrail.Trail, turns: Callable[[], Awaitable[bool]], turned: list[bool], broker: str,
    topic: Callable[..., str],
) -> str:  # fmt: skip
    """A topic with one order, and a handler that publishes."""
    orders = topic("orders")
    with ground_of(broker) as ground:
        ground.create(orders, partitions=1)
        ground.publish(orders, [1])

    @trail.consumer(orders, group=orders)
    async def pay(event: flowtrail.Event[Any]) -> None:
        turned.append(await turns())

    return orders


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_published_without_waiting_keeps_its_order(
    client: str, devbroker: str, topic: Callable[..., str]
) -> None:
    """From the first publication, which has to connect, through a client whose buffer is full, to the last."""
    payments = topic("payments")
    small = {"confluent": {"producer": {"queue.buffering.max.messages": 10, "linger.ms": 50}}}.get(client)
    trail = flowtrail.Trail("billing", devbroker, client=client, client_settings=small)

    async def main() -> None:
        under_way = []
        for number in range(300):
            under_way.append(trail.publish(payments, number, type="PaymentCompleted", key="k", wait=False))
            if number % 50 == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*under_way)

    asyncio.run(main())
    trail.publish(payments, 300, type="PaymentCompleted", key="k")
    trail.close()
    with ground_of(devbroker) as ground:
        assert [int(message.value()) for message in ground.read(payments)] == list(range(301))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_topic_that_is_not_there_holds_up_no_other(client: str, topic: Callable[..., str]) -> None:
    with DevBroker(auto_create_topics=False) as broker, ground_of(broker.bootstrap_servers) as ground:
        payments = topic("payments")
        ground.create(payments, partitions=1)
        trail = flowtrail.Trail(
            "billing", broker.bootstrap_servers, client=client, client_settings=WITHOUT_PATIENCE.get(client),
            timing=flowtrail.Timing(shutdown_timeout_seconds=0.5),
        )  # fmt: skip

        async def main() -> flowtrail.Publication:
            lost = trail.publish(topic("nowhere"), 1, type="Lost")
            await trail.publish(payments, 2, type="PaymentCompleted")
            assert not lost.done()
            return lost

        lost = asyncio.run(asyncio.wait_for(main(), scaled(15)))
        trail.close()
        with pytest.raises(flowtrail.PublishError):
            lost.result(scaled(10))  # nothing is left open when the trail is closed


def _feed(broker: str, topic: str, partition: int, count: int) -> None:
    """Write so many records to one partition."""
    producer = confluent_kafka.Producer({"bootstrap.servers": broker})
    for _ in range(count):
        producer.produce(topic, b"{}", partition=partition)
    assert producer.flush(scaled(30)) == 0


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_group_is_not_held_up_by_a_topic_that_is_not_there(
    client: str, shape: Shape, topic: Callable[..., str]
) -> None:
    """Its own partition waits; the others go on, and what they publish goes out."""
    with DevBroker(auto_create_topics=False) as broker, ground_of(broker.bootstrap_servers) as ground:
        orders, payments = topic("orders"), topic("payments")
        ground.create(orders, partitions=2)
        ground.create(payments, partitions=1)
        trail = flowtrail.Trail(
            "billing", broker.bootstrap_servers, client=client, client_settings=WITHOUT_PATIENCE.get(client),
            timing=flowtrail.Timing(shutdown_timeout_seconds=0.5),
        )  # fmt: skip
        lost = threading.Event()

        def pay(event: flowtrail.Event[Any]) -> None:
            if event.partition == 0:
                trail.publish("nowhere", 1, type="Lost")
                lost.set()
            else:
                trail.publish(payments, event.offset, type="PaymentCompleted")

        shape.register(trail, orders, pay, group=orders)
        with trail.running():
            assert trail.ready(scaled(30))
            _feed(broker.bootstrap_servers, orders, 0, 1)
            until(lost.is_set, "the handler of what can't be published")
            _feed(broker.bootstrap_servers, orders, 1, 20)
            until(lambda: ground.committed(orders, orders).get(1) == 20, "the other partition")
            assert not ground.committed(orders, orders).get(0)
        assert [int(message.value()) for message in ground.read(payments)] == list(range(20))


@pytest.mark.parametrize("client", CLIENTS)
def test_waiting_for_a_topic_that_is_not_there_ends_when_the_patience_does(
    client: str, topic: Callable[..., str]
) -> None:
    with DevBroker(auto_create_topics=False) as broker:
        trail = flowtrail.Trail(
            "billing", broker.bootstrap_servers, client=client, client_settings=WITHOUT_PATIENCE.get(client),
            timing=flowtrail.Timing(publish_timeout_seconds=0.5, shutdown_timeout_seconds=0.5),
        )  # fmt: skip
        nowhere = topic("nowhere")
        began = time.monotonic()
        with pytest.raises(flowtrail.PublishError, match=nowhere):
            trail.publish(nowhere, 1, type="Lost")
        assert time.monotonic() - began < scaled(4)
        trail.close()


def test_a_topic_that_is_not_there_is_named_and_may_be_tried_again() -> None:
    with DevBroker(auto_create_topics=False) as broker:
        trail = flowtrail.Trail(
            "billing", broker.bootstrap_servers, client="kafka-python", client_settings={"max_block_ms": 300}
        )
        with pytest.raises(flowtrail.PublishError, match=r"knows no topic nowhere.*: create it") as refused:
            trail.publish("nowhere", 1, type="Lost")
        trail.close()
    assert (refused.value.topic, refused.value.retriable) == ("nowhere", True)


@pytest.mark.parametrize("client", CLIENTS)
def test_awaiting_ends_when_the_patience_does(client: str, devbroker: str, silence: str) -> None:
    # A client that another test has left waiting ends by itself, seconds later.
    others = set(threading.enumerate())
    trail = flowtrail.Trail(
        "billing", devbroker, client=client, client_settings=_settings(client, silence),
        timing=flowtrail.Timing(publish_timeout_seconds=0.05, shutdown_timeout_seconds=scaled(20)),
    )  # fmt: skip

    async def main() -> None:
        await trail.publish("payments", 1, type="PaymentCompleted")

    with pytest.raises(flowtrail.PublishError, match=r"not acknowledged by payments within 0\.05 s"):
        asyncio.run(main())
    trail.close()
    left = set(threading.enumerate()) - others
    assert not [thread for thread in left if thread.name.startswith("flowtrail-send")]
