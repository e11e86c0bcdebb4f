"""Whatever a message's properties are, it is read, and it is the same one at every look."""

from __future__ import annotations

from types import SimpleNamespace

import pika
from hypothesis import example, given
from hypothesis import strategies as st

from flowtrail.wire.amqp_pika import decoded_properties
from flowtrail_collector.brokers.rabbitmq.browsing import read_message
from flowtrail_collector.brokers.rabbitmq.messages import incoming
from flowtrail_collector.events.reading import read_envelope
from rabbitkit import MESSAGES, nested, properties_of


@given(st.one_of(MESSAGES, st.binary(max_size=60)), st.binary(max_size=2))
@example(properties_of([(b"odd", nested("A", 3000))]), b"")
@example(properties_of([(b"odd", nested("F", 900))]), b"")
@example(properties_of([(b"odd", nested("A", 800))]), b"")
@example(properties_of([(b"x-death", nested("A", 3000)), (b"\xff", b"V"), (b"b", b"V")]), b"")
@example(properties_of([], 2**64 - 1), b"")
def test_whatever_comes_is_read(raw: bytes, body: bytes) -> None:
    message = decoded_properties(pika, raw)
    record = incoming("orders", "OrderPlaced", 7, message, body)
    read_envelope(record)
    assert record.timestamp_ms is None or abs(record.timestamp_ms) < 2**63
    looked_at = [read_message("orders.dlq", "orders", message, body) for _ in range(2)]
    assert looked_at[0].offset == looked_at[1].offset
    stamp = looked_at[0].timestamp_ms
    assert stamp is None or abs(stamp) < 2**63


def test_a_time_that_no_store_can_hold_is_none() -> None:
    properties = SimpleNamespace(**pika.BasicProperties(timestamp=2**64 - 1).__dict__)
    assert incoming("orders", "", 7, properties, b"").timestamp_ms is None
