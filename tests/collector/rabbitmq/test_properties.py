"""Whatever a message's properties are, the client can decode what is made of them, and nothing else is changed."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pika
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pika import frame

from flowtrail_collector.brokers.rabbitmq.browsing import read_message
from flowtrail_collector.brokers.rabbitmq.deliveries import decode
from flowtrail_collector.brokers.rabbitmq.messages import incoming
from flowtrail_collector.brokers.rabbitmq.properties import decodable, with_decodable
from flowtrail_collector.events.reading import read_envelope
from rabbitkit import nested, properties_of, table_of, value_of

LENGTHS = st.one_of(st.none(), st.integers(0, 2**32 - 1))
NAMES = st.one_of(st.sampled_from([b"odd", b"cloudEvents_id", b"x-death", b"\xff"]), st.binary(max_size=255))
SIMPLE = st.one_of(
    st.tuples(st.sampled_from("tbBUusIifLldTDVz?"), st.binary(max_size=9)).map(
        lambda pair: pair[0].encode() + pair[1]
    ),
    st.sampled_from("Tld").flatmap(
        lambda kind: st.integers(0, 2**64 - 1).map(lambda number: value_of(kind, struct.pack(">Q", number)))
    ),
    st.builds(value_of, st.sampled_from("Sx"), st.binary(max_size=6), LENGTHS),
)
VALUES: st.SearchStrategy[bytes] = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).flatmap(
            lambda each: st.builds(value_of, st.just("A"), st.just(b"".join(each)), LENGTHS)
        ),
        st.lists(st.tuples(NAMES, inner), max_size=3).flatmap(
            lambda pairs: st.builds(value_of, st.just("F"), st.just(table_of(pairs)[4:]), LENGTHS)
        ),
    ),
    max_leaves=8,
)
MANY = st.lists(st.tuples(NAMES, VALUES), max_size=4)
MESSAGES = st.builds(properties_of, MANY, st.integers(0, 2**64 - 1), LENGTHS)
ODD: dict[str, tuple[bytes, Any]] = {
    "milliseconds": (value_of("T", struct.pack(">Q", 1_772_000_000_000)), 1_772_000_000_000),
    "before 1970": (value_of("T", struct.pack(">Q", 2**64 - 14_256_000)), -14_256_000),
    "the last moment": (value_of("T", b"\xff" * 8), -1),
    "the last year": (
        value_of("T", struct.pack(">Q", 253_402_300_799)),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ),
    "not a number": (value_of("d", struct.pack(">d", float("nan"))), "NaN "),
    "infinite": (value_of("d", struct.pack(">d", float("inf"))), "+Inf"),
    "below all": (value_of("d", struct.pack(">d", float("-inf"))), "-Inf"),
    "not a small number": (value_of("f", struct.pack(">f", float("nan"))), ""),
    "not UTF-8": (value_of("S", b"\xff"), b"\xff"),
    "of unknown kind within": (value_of("A", b"z"), b"z"),
    "a broken table": (value_of("F", b"\x09a"), b"\x09a"),
    "a broken array": (value_of("A", b"I\0"), b"I\0"),
    "a moment within": (value_of("A", value_of("T", b"\xff" * 8)), [-1]),
}


@pytest.mark.parametrize("name", ODD)
def test_what_the_client_can_not_decode_is_told_in_another_way(name: str) -> None:
    value, expected = ODD[name]
    raw = properties_of([(b"a", value_of("S", b"x")), (b"odd", value), (b"z", value_of("S", b"y"))])
    assert decode(pika, raw).headers == {"a": "x", "odd": expected, "z": "y"}
    assert pika.BasicProperties().decode(decodable(raw)).headers["odd"] == expected


@pytest.mark.parametrize("kind", ["A", "F"])
def test_what_is_nested_too_deep_is_bytes_below(kind: str) -> None:
    found = pika.BasicProperties().decode(decodable(properties_of([(b"odd", nested(kind, 5000))])))
    value, levels = found.headers["odd"], 0
    while not isinstance(value, bytes):
        value, levels = (value[0] if kind == "A" else value["a"]), levels + 1
    assert levels == 32


def test_a_table_that_is_cut_off_keeps_what_is_before() -> None:
    raw = properties_of([(b"a", value_of("S", b"x")), (b"odd", b"z"), (b"z", value_of("S", b"y"))])
    found = pika.BasicProperties().decode(decodable(raw))
    assert (found.headers, found.message_id) == ({"a": "x"}, "m-1")


@given(
    st.dictionaries(
        st.text(max_size=4),
        st.one_of(
            st.text(max_size=4), st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=3),
            st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)), st.lists(st.text(max_size=2), max_size=2),
        ),
        max_size=4,
    ),
    st.dictionaries(
        st.sampled_from(["content_type", "correlation_id", "reply_to", "user_id", "cluster_id", "expiration"]),
        st.text(max_size=4),
    ),
    st.dictionaries(st.sampled_from(["priority", "delivery_mode", "timestamp"]), st.integers(0, 255)),
)  # fmt: skip
def test_what_the_client_can_decode_stays_as_it_is(
    table: dict[str, Any], texts: dict[str, str], numbers: dict[str, int]
) -> None:
    raw = b"".join(pika.BasicProperties(headers=table, **texts, **numbers).encode())
    assert decodable(raw) == raw


@given(st.one_of(MESSAGES, st.binary(max_size=60)), st.binary(max_size=2))
@example(properties_of([(b"odd", nested("A", 3000))]), b"")
@example(properties_of([(b"odd", nested("F", 900))]), b"")
@example(properties_of([(b"odd", nested("A", 800))]), b"")
@example(properties_of([(b"x-death", nested("A", 3000)), (b"\xff", b"V"), (b"b", b"V")]), b"")
@example(properties_of([], 2**64 - 1), b"")
def test_whatever_comes_is_read(raw: bytes, body: bytes) -> None:
    message = pika.BasicProperties().decode(decodable(raw))
    for properties in (message, decode(pika, raw)):
        record = incoming("orders", "OrderPlaced", 7, properties, body)
        read_envelope(record)
        assert record.timestamp_ms is None or abs(record.timestamp_ms) < 2**63
    looked_at = [read_message("orders.dlq", "orders", message, body) for _ in range(2)]
    assert looked_at[0] == looked_at[1]
    stamp = looked_at[0].timestamp_ms
    assert stamp is None or abs(stamp) < 2**63


@given(st.one_of(MESSAGES, st.binary(max_size=60)))
def test_a_frame_stays_one(raw: bytes) -> None:
    marshalled = struct.pack(">BHIHHQ", 2, 3, 12 + len(raw), 60, 0, 5) + raw + b"\xce"
    mended = with_decodable(marshalled)
    used, found = frame.decode_frame(mended)
    assert used == len(mended)
    assert isinstance(found, frame.Header)
    assert (found.channel_number, found.body_size) == (3, 5)


@pytest.mark.parametrize(
    "other",
    [
        frame.Heartbeat().marshal(),
        frame.Body(3, b"\x02" * 40).marshal(),
        b"\x02\0\x03\0\0\0\x20half of a frame that has more than that",
        b"AMQP\0\0\x09\x01",
        b"",
    ],
)
def test_other_frames_are_left_alone(other: bytes) -> None:
    assert with_decodable(other) == other


def test_a_time_that_no_store_can_hold_is_none() -> None:
    properties = SimpleNamespace(**pika.BasicProperties(timestamp=2**64 - 1).__dict__)
    assert incoming("orders", "", 7, properties, b"").timestamp_ms is None
