"""A place on a real RabbitMQ, and both ways in which a program's channels are traced there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowtrail._wrap import wrap_consumer
from flowtrail.instrumentor import AioPikaInstrumentor, PikaInstrumentor
from instrumentation.support import Lab
from instrumentation.traps.rabbitmq_programs import Place, Wrap

WAYS = ["wrapped", "instrumented"]


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def place(rabbitmq: str, topic: Callable[..., str]) -> Place:
    exchange = topic("orders")
    place = Place(rabbitmq, exchange, f"{exchange}.billing", topic("onward"))
    place.declare()
    return place


@pytest.fixture(params=WAYS)
def wrap(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Wrap]:
    """Wraps channels; or does nothing, and everything is instrumented."""
    if request.param == "wrapped":
        yield lambda channel: wrap_consumer(lab.telemetry, channel)
        return
    instrumentors: list[Any] = [PikaInstrumentor(), AioPikaInstrumentor()]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry, service="lab")
    yield lambda channel: channel
    for instrumentor in instrumentors:
        instrumentor.uninstrument()
