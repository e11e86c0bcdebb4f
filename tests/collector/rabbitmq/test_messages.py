"""What is read quickly of a message is what is read of it slowly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pika
from hypothesis import example, given
from hypothesis import strategies as st
from pika.compat import long

from flowtrail.wire.amqp import from_amqp, to_amqp
from flowtrail_collector.brokers.rabbitmq.messages import MARK, OFFSET, incoming, mark_of
from flowtrail_collector.brokers.rabbitmq.plain import read_properties
from flowtrail_collector.events.reading import read_plain_event

PROPERTIES = (
    "content_type", "content_encoding", "priority", "correlation_id", "reply_to", "message_id", "timestamp", "type",
    "app_id",
)  # fmt: skip
OURS: dict[str, bytes] = {
    "ce_specversion": b"1.0",
    "ce_id": b"e-1",
    "ce_type": b"OrderPlaced",
    "ce_source": b"/orders",
    "ce_subject": b"ORD-1",
    "ce_correlationid": b"f-1",
    "traceparent": b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01",
    "content-type": b"application/json",
}
TEXT = st.text(max_size=5)
VALUES = st.one_of(
    TEXT, st.none(), st.integers(-9, 9), st.binary(max_size=3), st.lists(TEXT, max_size=2), st.booleans()
)
NAMES = st.sampled_from([
    *(f"cloudEvents_{name[3:]}" for name in OURS if name.startswith("ce_")),
    "cloudEvents_partitionkey", "cloudEvents:id", "ce_id", "CE-TYPE", "timestamp_in_ms", "x-death", "tenant",
    "traceparent", "cloudEvents_sequence", "cloudEvents_causationid", "amqp.routing_key", "content-type",
])  # fmt: skip


@given(
    st.sets(st.sampled_from(sorted(OURS)), max_size=2),
    st.dictionaries(NAMES, VALUES, max_size=2),
    st.dictionaries(st.sampled_from(PROPERTIES), st.one_of(TEXT, st.integers(0, 9), st.none()), max_size=2),
    st.sampled_from(["OrderPlaced", "", "other"]),
    st.one_of(st.none(), st.binary(max_size=3)),
    st.binary(max_size=2),
)
@example(set(), {}, {}, "OrderPlaced", b"ORD-1", b"{}")
def test_both_ways_read_the_same(
    without: set[str],
    table: dict[str, Any],
    properties: dict[str, Any],
    routing_key: str,
    key: bytes | None,
    body: bytes,
) -> None:
    headers = [(name, value) for name, value in OURS.items() if name not in without]
    sent = to_amqp(key, body, headers, 1_700_000_000_123)
    said = {**sent.properties, **properties}
    found = SimpleNamespace(**dict.fromkeys(PROPERTIES, None) | said, headers={**sent.table, **table})
    parts = from_amqp(
        routing_key,
        found.headers,
        {name: said[name] for name in PROPERTIES if said.get(name) is not None},
        body,
    )
    record = incoming("orders", routing_key, 7, found, body)
    assert record[:3] == ("rabbitmq:orders", 0, 7)
    assert record.timestamp_ms == parts.timestamp_ms
    assert (record.key, record.headers) == (parts.key, parts.headers)
    assert record.value is not None
    assert record.value() == parts.value
    assert record.retry is ("x-death" in found.headers)
    if not (without or table or properties) and routing_key == "OrderPlaced":
        assert read_plain_event(record) is not None


@given(
    st.sets(st.sampled_from(sorted(OURS)), max_size=2),
    st.dictionaries(
        NAMES, st.one_of(VALUES, st.just("x" * 300), st.just("naïve"), st.just(b"\xc3")), max_size=2
    ),
    st.dictionaries(
        st.sampled_from(["content_type", "correlation_id", "message_id", "type", "app_id", "reply_to"]),
        st.one_of(TEXT, st.none()),
        max_size=2,
    ),
    st.one_of(st.none(), st.integers(0, 255)),
    st.sampled_from(["OrderPlaced", "", "other"]),
    st.one_of(st.none(), st.binary(max_size=3)),
    st.integers(0, 2**63 - 1),
)
@example(set(), {}, {}, None, "OrderPlaced", b"ORD-1", 7)
@example(set(), {}, {}, 0, "OrderPlaced", b"ORD-1", 7)
@example(set(), {"cloudEvents_sequence": "naïve"}, {}, None, "OrderPlaced", b"ORD-1", 7)
def test_what_is_read_from_the_wire_is_what_the_client_makes_of_it(
    without: set[str],
    table: dict[str, Any],
    properties: dict[str, Any],
    priority: int | None,
    routing_key: str,
    key: bytes | None,
    offset: int,
) -> None:
    headers = [(name, value) for name, value in OURS.items() if name not in without]
    sent = to_amqp(key, b"{}", headers, 1_700_000_000_123)
    said = {**sent.properties, "priority": priority, **properties}
    written = pika.BasicProperties(headers={**sent.table, **table, OFFSET: long(offset)}, **said)
    raw = b"".join(written.encode())
    plain = read_properties(routing_key.encode(), raw)
    if plain is not None:
        client = pika.BasicProperties().decode(raw)
        assert client.headers.pop(OFFSET) == plain.offset
        record = incoming("orders", routing_key, offset, client, b"{}")
        assert (record.timestamp_ms, record.key, record.headers) == plain[1:]
        assert not record.retry
    usual = not (table or properties) and routing_key == "OrderPlaced" and (key is None or key.isascii())
    assert (
        not usual or without & {"ce_id", "ce_type", "ce_correlationid", "content-type"} or plain is not None
    )


@given(st.binary(max_size=4), st.integers(0, 400), st.integers(0, 255))
def test_broken_properties_raise_nothing(short: bytes, place: int, value: int) -> None:
    sent = to_amqp(b"k", b"{}", list(OURS.items()), 1_700_000_000_123)
    written = pika.BasicProperties(headers={**sent.table, OFFSET: long(1)}, **sent.properties)
    raw = bytearray(b"".join(written.encode()))
    raw[place % len(raw)] = value
    read_properties(b"OrderPlaced", bytes(raw))
    read_properties(b"OrderPlaced", bytes(raw[: place % len(raw)]))
    assert read_properties(b"OrderPlaced", short) is None


@given(st.sampled_from(["", "orders"]), VALUES)
def test_a_mark_comes_by_no_exchange_and_is_a_number(exchange: str, value: Any) -> None:
    expected = value if not exchange and isinstance(value, int) else None
    assert mark_of(exchange, {MARK: value}) == expected
    assert mark_of(exchange, {}) is None
