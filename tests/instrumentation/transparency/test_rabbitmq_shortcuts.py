"""What is sent over RabbitMQ by a short way is what the long way sends."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider
from prometheus_client import CollectorRegistry

from flowtrail._clock import FakeClock
from flowtrail._ids import SeededIds
from flowtrail._telemetry import MessageTracer, Telemetry
from flowtrail._wrap.aio_pika import _copier
from flowtrail._wrap.amqp import Sender
from flowtrail.wire.amqp import own_table

NOW_NS = 1_700_000_000_123_456_000
FIELDS: dict[str, Any] = {
    "content_type": "application/json", "content_encoding": "gzip", "delivery_mode": aio_pika.DeliveryMode.PERSISTENT,
    "priority": 7, "correlation_id": "c", "reply_to": "answers", "expiration": 60, "message_id": "m",
    "timestamp": datetime(2026, 3, 1, tzinfo=UTC), "type": "kind", "user_id": "guest", "app_id": "shop",
}  # fmt: skip


class Special(aio_pika.Message):
    """A program's own kind of message."""


@pytest.mark.parametrize("fields", [{}, FIELDS, *({name: value} for name, value in FIELDS.items())], ids=str)
@pytest.mark.parametrize("kind", [aio_pika.Message, Special])
@pytest.mark.parametrize("locked", [False, True])
def test_a_message_with_another_table_is_the_same_message(
    fields: dict[str, Any], kind: type[aio_pika.Message], locked: bool
) -> None:
    message = kind(b"body", headers={"mine": 1}, **fields)
    if locked:
        message.lock()
    ours, expected = _copier()(message, {"ours": 2}), copy(message)
    expected.headers = {"ours": 2}
    assert (ours.body, ours.body_size, ours.info()) == (expected.body, expected.body_size, expected.info())
    assert ours.properties.marshal() == expected.properties.marshal()
    assert (message.headers, message.locked, ours.locked) == ({"mine": 1}, locked, False)


def test_a_field_that_was_set_later_is_sent_as_it_was_set() -> None:
    message = aio_pika.Message(b"body")
    message.priority, message.headers = 3, {"mine": 1}
    assert _copier()(message, {}).priority == 3


@pytest.mark.parametrize(
    "provider",
    [NoOpTracerProvider(), TracerProvider(sampler=ALWAYS_OFF), TracerProvider()],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("exchange", ["orders", ""])
def test_the_first_message_of_a_flow_says_the_same(provider: Any, exchange: str) -> None:
    def telemetry() -> Telemetry:
        return Telemetry(
            "börse", tracer_provider=provider, registry=CollectorRegistry(), clock=FakeClock(NOW_NS), ids=SeededIds(5),
            system="rabbitmq",
        )  # fmt: skip

    outgoing, table = Sender(telemetry()).start(exchange, "OrderPlaced", b"{}", None)
    other = MessageTracer(telemetry(), None).start(exchange or "OrderPlaced", b"{}", "OrderPlaced", None)
    expected = own_table(other.headers, NOW_NS // 1_000_000)  # type: ignore[arg-type]
    assert table.keys() == expected.keys()
    differing = {name for name in table if table[name] != expected[name]}
    assert differing <= {"traceparent"}, "each has a span of its own"
    assert outgoing.event_id == table["cloudEvents_id"]
    assert outgoing.attributes() == other.attributes()
