"""The client port, for RabbitMQ's clients, on a real server."""

from collections.abc import Callable, Iterator

import pytest

from flowtrail.clients import choose_client
from instrumentation.clients.contract import Contract, Setup

ADAPTERS = ["pika", "aio-pika"]


class QueueSetup(Setup):
    """RabbitMQ keeps messages for groups that are there; a producer's message for nobody is an error."""

    def subscribe(self) -> None:
        self.member().consumer.close(10.0)


@pytest.fixture(params=ADAPTERS)
def setup(request: pytest.FixtureRequest, rabbitmq: str, topic: Callable[..., str]) -> Iterator[Setup]:
    setup = QueueSetup(choose_client(request.param, rabbitmq), topic)
    yield setup
    setup.close()


class TestAdapters(Contract):
    """Each client library."""
