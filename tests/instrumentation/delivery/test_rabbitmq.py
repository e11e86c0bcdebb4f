"""A trail on a real RabbitMQ: acknowledged after its publications, retried, and kept when given up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pika
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

import flowtrail
from servers import RabbitServer
from waiting import until

pytestmark = pytest.mark.parametrize("adapter", ["pika", "aio-pika"])
PLACED, PAID = "OrderPlaced", "PaymentCompleted"


class Service:
    """A trail with its own telemetry, which handles orders and publishes payments."""

    def __init__(self, adapter: str, url: str, topic: Callable[..., str]) -> None:
        self.url = url
        self.orders, self.payments = topic("orders"), topic("payments")
        self.spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.trail = flowtrail.Trail(
            "billing", url, client=adapter, tracer_provider=provider, registry=CollectorRegistry()
        )
        self.handled: list[tuple[Any, int]] = []
        self.paid: list[flowtrail.Event[Any]] = []

        @self.trail.consumer(self.payments, group="ledger")
        def note(event: flowtrail.Event[Any]) -> None:
            self.paid.append(event)

    def place(self, *numbers: int) -> None:
        for number in numbers:
            self.trail.publish(self.orders, {"n": number}, type=PLACED, subject=f"order-{number}")

    def letter(self) -> Any:
        """The next dead letter's properties and body."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()

            def take() -> Any:
                method, properties, body = channel.basic_get(f"{self.orders}.billing.dlq", auto_ack=True)
                return (properties, body) if method is not None else None

            return until(take, "a dead letter")

    def waiting(self, queue: str) -> int:
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)


@pytest.fixture
def service(adapter: str, rabbitmq: str, topic: Callable[..., str]) -> Service:
    return Service(adapter, rabbitmq, topic)


@pytest.mark.parametrize(
    "retry",
    [flowtrail.Retry(attempts=2, initial_seconds=0.05), flowtrail.Retry(topics=[0.5])],
    ids=["in place", "through a delay queue"],
)
def test_one_that_fails_is_retried_and_given_up_and_the_others_go_on(
    service: Service, retry: flowtrail.Retry
) -> None:
    @service.trail.consumer(service.orders, types=[PLACED], retry=retry)
    def charge(event: flowtrail.Event[Any]) -> None:
        service.handled.append((event.data["n"], event.attempt))
        if event.data["n"] == 2:
            raise ValueError("card declined")
        service.trail.publish(service.payments, event.data, type=PAID, subject=event.subject)

    with service.trail.running():
        assert service.trail.ready(60)
        service.place(*range(5))
        until(lambda: len(service.paid) == 4, lambda: service.handled)
        properties, body = service.letter()
    assert sorted(service.handled) == [(0, 1), (1, 1), (2, 1), (2, 2), (3, 1), (4, 1)]
    assert [event.data["n"] for event in service.paid] == [0, 1, 3, 4]
    assert body == b'{"n":2}'
    headers = properties.headers
    assert (headers["dlq.topic"], headers["dlq.group"], headers["dlq.attempts"]) == (
        service.orders,
        "billing",
        "2",
    )
    assert headers["dlq.error.type"] == "ValueError"
    assert headers["cloudEvents_subject"] == "order-2"
    assert not [name for name in headers if name.startswith("retry.")]
    assert service.waiting(f"{service.orders}.billing") == 0


FULL = 130_850
"""Bytes of headers that a frame has room for, but not with what a dead letter adds."""


@pytest.mark.parametrize(
    ("own", "left"),
    [
        ({"small": "s", "large": "x" * FULL}, {"small": "s"}),
        ({f"n{number:06}": "v" for number in range(FULL // 14)}, {}),
        ({"within": {"deep": ["x" * 100_000, "y" * (FULL - 100_000)]}}, {}),
    ],
    ids=["a large one", "many", "a table"],
)
def test_one_whose_headers_fill_a_frame_keeps_its_body(
    service: Service, own: dict[str, Any], left: dict[str, Any]
) -> None:
    @service.trail.consumer(service.orders, types=[PLACED], retry=flowtrail.Retry(attempts=1))
    def charge(event: flowtrail.Event[Any]) -> None:
        raise ValueError("E" * 20_000)

    with service.trail.running():
        assert service.trail.ready(60)
        attributes = {"cloudEvents_id": "1", "cloudEvents_type": PLACED, "cloudEvents_subject": "order-1"}
        with pika.BlockingConnection(pika.URLParameters(service.url)) as connection:
            properties = pika.BasicProperties(headers={**attributes, **own}, content_type="application/json")
            connection.channel().basic_publish(service.orders, PLACED, b'{"n":1}', properties)
        properties, body = service.letter()
    assert body == b'{"n":1}'
    headers = properties.headers
    assert {name: headers[name] for name in attributes} == attributes
    assert {name: value for name, value in headers.items() if name in own} == left
    assert headers["dlq.error.type"] == "ValueError"
    assert set(headers["dlq.left_out"].split(", ")) & (set(own) - set(left))
    assert "dlq.oversize" not in headers


def test_a_lost_connection_is_one_line_and_nothing_is_lost(
    service: Service, rabbitmq_server: RabbitServer, caplog: pytest.LogCaptureFixture
) -> None:
    @service.trail.consumer(service.orders, types=[PLACED])
    def charge(event: flowtrail.Event[Any]) -> None:
        service.trail.publish(service.payments, event.data, type=PAID, subject=event.subject)

    with service.trail.running():
        assert service.trail.ready(60)
        service.place(1)
        until(lambda: service.paid, "the first payment")
        caplog.clear()
        until(lambda: len(rabbitmq_server.manage("GET", "connections")) >= 3, "the server's list")
        for connection in rabbitmq_server.manage("GET", "connections"):
            rabbitmq_server.manage("DELETE", "connections/" + quote(connection["name"], safe=""))
        service.place(2)
        until(lambda: {event.data["n"] for event in service.paid} == {1, 2}, lambda: service.paid)
    said = [line for line in caplog.records if line.levelno >= logging.WARNING and line.name == "flowtrail"]
    lost = [line.getMessage() for line in said if "billing" in line.getMessage()]
    assert len(lost) == 1, lost
    assert "\n" not in lost[0]
    assert not [line for line in said if line.exc_info]


def test_the_flow_and_the_trace_go_on(service: Service) -> None:
    @service.trail.consumer(service.orders, types=[PLACED])
    async def charge(event: flowtrail.Event[Any]) -> None:
        service.trail.publish(service.payments, event.data, type=PAID, subject=event.subject)

    with service.trail.running():
        assert service.trail.ready(60)
        service.place(1)
        until(lambda: service.paid, "the payment")
    (paid,) = service.paid
    placed = paid.correlation_id
    assert paid.causation_id == placed
    assert paid.key == b"order-1"
    spans = {span.name: span for span in service.spans.get_finished_spans()}
    sent, processed = spans[f"send {service.orders}"], spans[f"process {service.orders}"]
    assert processed.parent is not None
    assert sent.context is not None
    assert processed.parent.span_id == sent.context.span_id
    for span in (sent, processed):
        found = dict(span.attributes or {})
        assert found["messaging.system"] == "rabbitmq"
        assert not [name for name in found if "kafka" in name or "partition" in name]
    assert dict(sent.attributes or {})["messaging.rabbitmq.destination.routing_key"] == PLACED


def test_what_was_not_through_when_the_process_stopped_comes_again(
    service: Service, adapter: str, rabbitmq: str
) -> None:
    """The first trail never gets its publication confirmed: nobody takes it."""
    published = threading.Event()

    @service.trail.consumer(
        service.orders, types=[PLACED], retry=flowtrail.Retry(attempts=9, initial_seconds=60)
    )
    def charge(event: flowtrail.Event[Any]) -> None:
        published.set()
        service.trail.publish(service.payments + "-nobody", {}, type=PAID)

    with service.trail.running():
        assert service.trail.ready(60)
        service.place(1)
        assert until(published.is_set)
    second = flowtrail.Trail("billing", rabbitmq, client=adapter, registry=CollectorRegistry())
    seen: list[Any] = []

    @second.consumer(service.orders, types=[PLACED])
    def charge_again(event: flowtrail.Event[Any]) -> None:
        seen.append(event.data["n"])

    with second.running():
        until(lambda: seen == [1], lambda: seen)
    until(lambda: service.waiting(f"{service.orders}.billing") == 0, "the acknowledgement")
