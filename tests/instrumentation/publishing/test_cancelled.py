"""Whoever waits for a publication may be cancelled at any moment: nothing else notices.

The cases are every client, on each broker, in and outside a handler, plain and as a coroutine, with every way in
which a waiter can go away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from itertools import product
from typing import Any

import pytest

import flowtrail
from instrumentation.delivery.ground import Ground, ground_of
from waiting import scaled, until

pytestmark = pytest.mark.sampled(5)

CLIENTS = ("kafka-python", "confluent", "aiokafka")
BROKERS = ("devbroker", "kafka")
PLACES = ("outside", "in a handler")
MOMENTS = (0.0, 0.0005, 0.003, 0.02)
"""Seconds after which the waiter goes: before the broker has it, about when it answers, after that."""

Publish = Callable[[], flowtrail.Publication]


async def _hang_up(publish: Publish, moment: float) -> None:
    async def request() -> None:
        await publish()

    task = asyncio.create_task(request())
    await asyncio.sleep(moment)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _time_limit(publish: Publish, moment: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(_awaiting(publish()), moment)


async def _task_group(publish: Publish, moment: float) -> None:
    async def fail() -> None:
        await asyncio.sleep(moment)
        raise ZeroDivisionError

    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(_awaiting(publish()))
            group.create_task(fail())


async def _gathered(publish: Publish, moment: float) -> None:
    gathered = asyncio.gather(*(_awaiting(publish()) for _ in range(3)))
    await asyncio.sleep(moment)
    gathered.cancel()
    with suppress(asyncio.CancelledError):
        await gathered


async def _wrapped_by_hand(publish: Publish, moment: float) -> None:
    future = asyncio.wrap_future(publish())
    await asyncio.sleep(moment)
    future.cancel()


async def _cancelled_itself(publish: Publish, moment: float) -> None:
    publication = publish()
    await asyncio.sleep(moment)
    assert not publication.cancel(), "it is on its way"


async def _awaiting(publication: Awaitable[Any]) -> Any:
    return await publication


def _not_waited_for(publish: Publish, moment: float) -> None:
    with suppress(FutureTimeoutError):
        publish().result(moment)


def _cancelled(publish: Publish, moment: float) -> None:
    publication = publish()
    time.sleep(moment)
    assert not publication.cancel()
    assert not publication.cancelled()


def _callback_that_exits(publish: Publish, moment: float) -> None:
    def leave(_: object) -> None:
        raise SystemExit(3)

    with suppress(SystemExit):  # where the acknowledgement was quicker, it is raised here
        publish().add_done_callback(leave)


COROUTINES = (_hang_up, _time_limit, _task_group, _gathered, _wrapped_by_hand, _cancelled_itself)
PLAIN = (_not_waited_for, _cancelled, _callback_that_exits)
CASES = [
    pytest.param(
        *case,
        id=" ".join([*case[:3], case[3].__name__.strip("_")]),
        marks=[pytest.mark.servers] if case[1] == "kafka" else [],
    )
    for case in product(CLIENTS, BROKERS, PLACES, (*COROUTINES, *PLAIN))
]


class Shop:
    """A trail, what it has published, and what the broker has."""

    def __init__(self, client: str, broker: str, topic: Callable[..., str], ground: Ground) -> None:
        self.ground = ground
        self.orders, self.payments = topic("orders"), topic("payments")
        ground.create(self.orders, self.payments, partitions=1)
        timing = flowtrail.Timing(shutdown_timeout_seconds=scaled(20))
        self.trail = flowtrail.Trail(self.orders, broker, client=client, timing=timing)
        self.expected: list[int] = []

    def publish(self) -> flowtrail.Publication:
        self.expected.append(len(self.expected))
        return self.trail.publish(
            self.payments, {"number": self.expected[-1]}, type="PaymentCompleted", wait=False
        )

    def arrived(self) -> int:
        return sum(self.ground.ends(self.payments).values())

    def close(self) -> None:
        began = time.monotonic()
        self.trail.close()
        assert time.monotonic() - began < scaled(15), "stopping waits for nobody"


@pytest.fixture
def shop(request: pytest.FixtureRequest, topic: Callable[..., str]) -> Iterator[Callable[..., Shop]]:
    with ground_of(request.getfixturevalue(request.getfixturevalue("server"))) as ground:
        shops: list[Shop] = []

        def make(client: str) -> Shop:
            shops.append(Shop(client, ground.broker, topic, ground))
            return shops[-1]

        yield make
        for made in shops:
            made.trail.close()


@pytest.mark.parametrize(("client", "server", "place", "way"), CASES)
def test_a_waiter_that_goes_away_harms_nothing(
    client: str, server: str, place: str, way: Callable[..., Any], shop: Callable[[str], Shop]
) -> None:
    made = shop(client)
    (_in_a_handler if place == "in a handler" else _outside)(made, way)
    # All that was handed over arrives, and so does what comes after it.
    until(lambda: made.arrived() == len(made.expected), lambda: (made.arrived(), len(made.expected)))
    made.publish().result(scaled(20))
    made.close()
    assert made.arrived() == len(made.expected)


def _outside(shop: Shop, way: Callable[..., Any]) -> None:
    shop.publish().result(scaled(20))  # the connection stands: now moments are moments
    for moment in MOMENTS:
        ran = way(shop.publish, moment)
        if asyncio.iscoroutine(ran):
            asyncio.run(ran)  # ends its loop at once, too


def _in_a_handler(shop: Shop, way: Callable[..., Any]) -> None:
    if asyncio.iscoroutinefunction(way):

        @shop.trail.consumer(shop.orders)
        async def pay(event: flowtrail.Event[float]) -> None:
            await way(shop.publish, event.data)
    else:

        @shop.trail.consumer(shop.orders)
        def pay(event: flowtrail.Event[float]) -> None:  # type: ignore[misc]
            way(shop.publish, event.data)

    for moment in MOMENTS:
        shop.trail.publish(shop.orders, moment, type="OrderPlaced")
    with shop.trail.running():
        until(
            lambda: sum(shop.ground.committed(shop.orders, shop.orders).values()) == len(MOMENTS),
            lambda: shop.ground.committed(shop.orders, shop.orders),
        )
