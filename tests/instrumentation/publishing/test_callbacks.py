"""A publication's callback may publish: it runs in the thread that tells of acknowledgements, which goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import flowtrail
from waiting import scaled, until

CLIENTS = ("kafka-python", "confluent", "aiokafka")
NEXT = ("known", "new")
"""Whether the client has sent to the topic before, or has to ask for it."""


@pytest.fixture(params=CLIENTS)
def trail(request: pytest.FixtureRequest, broker: str) -> Iterator[flowtrail.Trail]:
    # A publication that waited for itself would take this long; the tests don't.
    timing = flowtrail.Timing(publish_timeout_seconds=scaled(60))
    made = flowtrail.Trail("billing", broker, client=request.param, timing=timing)
    yield made
    made.close()


def _publish(trail: flowtrail.Trail, topic: str) -> Any:
    return trail.publish(topic, {"cents": 5}, type="PaymentCompleted")


def _decorated(trail: flowtrail.Trail, topic: str) -> Any:
    return trail.producer(topic, type="PaymentCompleted")(lambda: {"cents": 5})()


@pytest.mark.parametrize("way", [_publish, _decorated], ids=["publish", "decorated"])
@pytest.mark.parametrize("following", NEXT)
def test_a_callback_publishes_and_nobody_waits_for_it(
    trail: flowtrail.Trail, topic: Callable[..., str], way: Callable[..., Any], following: str
) -> None:
    orders, payments = topic("orders"), topic("payments")
    trail.publish(orders, {}, type="OrderPlaced")
    if following == "known":
        trail.publish(payments, {}, type="PaymentCompleted")
    went_on, ended = threading.Event(), threading.Event()

    def pay(_: object) -> None:
        way(trail, payments)
        went_on.set()

    trail.publish(orders, {}, type="OrderPlaced", wait=False).add_done_callback(pay)
    assert went_on.wait(scaled(20)), "the callback hangs"
    trail.publish(orders, {}, type="OrderPlaced", wait=False).add_done_callback(lambda _: ended.set())
    assert ended.wait(scaled(20)), "those after it hang"
    assert trail.flush(scaled(30)), "what the callback published"


def test_a_callback_that_waits_is_told_what_to_do(trail: flowtrail.Trail, topic: Callable[..., str]) -> None:
    orders, payments = topic("orders"), topic("payments")
    told: list[object] = []

    def pay(_: object) -> None:
        paid = trail.publish(payments, {}, type="PaymentCompleted", wait=False)
        try:
            told.append(paid.result())
        except flowtrail.PublishError as error:
            told.append(str(error))
        paid.add_done_callback(lambda ended: told.append(ended.result().offset))

    trail.publish(orders, {}, type="OrderPlaced", wait=False).add_done_callback(pay)
    until(lambda: len(told) == 2, lambda: f"both outcomes: {told}")
    assert "give it a callback of its own" in str(told[0])
    assert told[1] == 0
