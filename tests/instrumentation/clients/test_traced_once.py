"""A trail in a program under `opentelemetry-instrument`: its messages are traced once."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import flowtrail
from flowtrail.instrumentor import AIOKafkaInstrumentor, ConfluentKafkaInstrumentor, KafkaPythonInstrumentor
from instrumentation.support import Lab
from waiting import scaled


@pytest.fixture
def lab() -> Iterator[Lab]:
    """All clients instrumented, reporting to one lab."""
    lab = Lab()
    instrumentors: list[Any] = [
        KafkaPythonInstrumentor(),
        ConfluentKafkaInstrumentor(),
        AIOKafkaInstrumentor(),
    ]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry, service="lab")
    yield lab
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


@pytest.mark.slow
@pytest.mark.parametrize("client", ["kafka-python", "confluent", "aiokafka"])
def test_a_message_has_two_spans_not_four(
    client: str, lab: Lab, devbroker: str, topic: Callable[..., str]
) -> None:
    name = topic()
    trail = flowtrail.Trail(name, devbroker, client=client, tracer_provider=lab.provider)
    handled = threading.Event()
    headers: list[tuple[str, bytes | None]] = []

    @trail.consumer(name)
    def handle(event: flowtrail.Event[Any]) -> None:
        headers.extend(event.headers)
        handled.set()

    with trail.running():
        trail.publish(name, {}, type="Thing")
        assert handled.wait(scaled(60))
    trail.close()
    messages = [span.name for span in lab.spans if span.name in (f"send {name}", f"process {name}")]
    assert sorted(messages) == [f"process {name}", f"send {name}"]
    names = [header for header, _ in headers]
    assert len(names) == len(set(names)), "nothing was written twice"
