"""The demo's parts for a shop that runs elsewhere, in containers for example."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import count

import httpx

from orderflow.platform import Subscription
from orderflow.platform.settings import RABBITMQ, addresses, broker_of, checked_broker, checked_namespace
from orderflow.runner.broker import Broker, create_topics
from orderflow.runner.errors import EXIT_OK, EXIT_UNREACHABLE, DemoError
from orderflow.runner.placing import Customer
from orderflow.runner.rabbitmq import given
from orderflow.runner.scenarios import plan

_CYCLE_ORDERS = 3_000
_AGAIN_SECONDS = 1.0


def make_topics(
    environment: Mapping[str, str], seconds: float, subscriptions: Callable[[], Iterable[Subscription]]
) -> int:
    """Create the topics that are missing, on the brokers that the environment names; waits for them.

    RabbitMQ keeps nothing for a queue that isn't there, so those of the services are made, too.

    Args:
        environment: Names the brokers.
        seconds: How long to wait for them.
        subscriptions: Tells what the services listen to.

    Returns:
        0, or 3 if the broker isn't there within that time.

    Raises:
        SettingsError: One isn't given.
    """
    choice = checked_broker(environment.get("ORDERFLOW_BROKER", ""))
    servers, url = addresses(choice, environment)
    namespace = checked_namespace(environment.get("ORDERFLOW_NAMESPACE", ""))
    rabbit = given(environment, namespace) if url else None
    broker = Broker(servers, namespace, False, choice, rabbit)
    deadline = time.monotonic() + seconds
    while True:
        try:
            create_topics(broker)
            if rabbit is not None:
                rabbit.create_queues(
                    each for each in subscriptions() if broker_of(choice, each.topic) == RABBITMQ
                )
        except DemoError as error:
            if time.monotonic() > deadline:
                print(f"orderflow: {error}", file=sys.stderr)
                return error.exit_code
            time.sleep(_AGAIN_SECONDS)
        else:
            print("the topics are there", flush=True)
            return EXIT_OK


def place_for_ever(url: str, per_second: float, orders: int | None) -> int:
    """Place the orders of the plan, again and again, until SIGTERM, SIGINT or so many are placed.

    A shop that doesn't answer is asked again.

    Returns:
        0, or 3 if the shop refuses an order.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    plans = (item for _ in count() for item in plan(_CYCLE_ORDERS))
    placed = 0
    customer = Customer(url)
    try:
        while not stop.is_set() and placed != orders:
            try:
                customer.place(next(plans))
            except DemoError as error:
                print(f"orderflow: {error}", file=sys.stderr, flush=True)
                if not isinstance(error.__context__, httpx.HTTPError):
                    return EXIT_UNREACHABLE
                stop.wait(_AGAIN_SECONDS)
                continue
            placed += 1
            stop.wait(1 / per_second)
    finally:
        customer.close()
    print("1 order placed" if placed == 1 else f"{placed} orders placed", flush=True)
    return EXIT_OK
