"""No content header can make a client fail, and its headers are those that were sent."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pamqp.commands
import pamqp.frame
import pika
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pamqp.exceptions import UnmarshalingException
from pamqp.header import ContentHeader
from pika import frame

from flowtrail.wire.amqp_frames import header_end, packed_frame, readable_frame, unpacked, with_table
from flowtrail.wire.amqp_pika import decoded_properties, properties_with_table
from flowtrail.wire.amqp_tables import decoded, encoded
from rabbitkit import MESSAGES, nested, properties_of, value_of

TEXTS = st.dictionaries(
    st.sampled_from(
        [
            "content_type",
            "content_encoding",
            "correlation_id",
            "reply_to",
            "user_id",
            "cluster_id",
            "expiration",
        ]
    ),
    st.text(max_size=4),
)
NUMBERS = st.dictionaries(st.sampled_from(["priority", "delivery_mode", "timestamp"]), st.integers(0, 255))
TABLES = st.dictionaries(
    st.text(max_size=4),
    st.one_of(
        st.text(max_size=4), st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=3),
        st.integers(0, 253_402_300_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
        st.lists(st.text(max_size=2), max_size=2),
    ),
    max_size=4,
)  # fmt: skip


def framed(properties: bytes) -> bytes:
    return struct.pack(">BHIHHQ", 2, 3, 12 + len(properties), 60, 0, 5) + properties + b"\xce"


@given(TABLES, TEXTS, NUMBERS)
def test_pika_gives_what_it_gives_by_itself(
    table: dict[str, Any], texts: dict[str, str], numbers: dict[str, int]
) -> None:
    raw = b"".join(pika.BasicProperties(headers=table, **texts, **numbers).encode())
    assert decoded_properties(pika, raw).__dict__ == pika.BasicProperties().decode(raw).__dict__


@given(st.one_of(MESSAGES, st.binary(max_size=60)))
@example(properties_of([(b"odd", nested("A", 3000))]))
@example(properties_of([(b"odd", nested("F", 900))]))
@example(properties_of([], 2**64 - 1))
@example(b"\x80\0\x02\xff\xfe")
def test_both_clients_take_whatever_was_sent(properties: bytes) -> None:
    sent = framed(properties)
    made = packed_frame(sent)
    used, header = frame.decode_frame(made)
    assert used == len(made)
    assert isinstance(header, frame.Header)
    assert (header.channel_number, header.body_size) == (3, 5)
    found = unpacked(header.properties.headers)  # type: ignore[attr-defined]
    read = pamqp.frame.unmarshal(readable_frame(sent))[2]
    assert isinstance(read, ContentHeader)
    # Only what is no number isn't itself.
    assert encoded(unpacked(read.properties.headers) or {}) == encoded(found or {})


@given(MESSAGES)
def test_headers_are_those_that_were_sent(properties: bytes) -> None:
    length = int.from_bytes(properties[2:6])
    assume(length <= len(properties) - 6)
    found = decoded_properties(pika, properties).headers
    assert encoded(found) == encoded(decoded(properties[6 : 6 + length]))


def test_pamqp_takes_properties_that_it_fails_on() -> None:
    late = pika.BasicProperties(correlation_id=b"\xffa", message_id="m", timestamp=2**64 - 1)
    sent = framed(b"".join(late.encode()))
    with pytest.raises(UnmarshalingException, match="decode"):
        pamqp.frame.unmarshal(sent)
    read = pamqp.frame.unmarshal(readable_frame(sent))[2]
    assert isinstance(read, ContentHeader)
    said = read.properties
    assert (said.correlation_id, said.message_id, said.timestamp) == ("?a", "m", None)


@pytest.mark.parametrize("exchange", ["orders", "", "x" * 255])
@pytest.mark.parametrize("routing_key", [b"", b"OrderPlaced", "Größe".encode(), b"\xff", b"a\xffb" * 80])
def test_pamqp_takes_any_routing_key(exchange: str, routing_key: bytes) -> None:
    method = pika.spec.Basic.Deliver("ctag", 200, False, exchange, routing_key)
    sent = frame.Method(3, method).marshal()
    read = pamqp.frame.unmarshal(readable_frame(sent))[2]
    assert isinstance(read, pamqp.commands.Basic.Deliver)
    assert (read.consumer_tag, read.delivery_tag, read.exchange) == ("ctag", 200, exchange)
    assert read.routing_key == routing_key.decode("utf-8", "replace").replace("\ufffd", "?")


@given(TABLES, TEXTS, NUMBERS)
def test_a_table_is_put_in_its_place(
    table: dict[str, Any], texts: dict[str, str], numbers: dict[str, int]
) -> None:
    without = b"".join(pika.BasicProperties(**texts, **numbers).encode())
    found = pika.BasicProperties().decode(with_table(without, encoded(table)))
    assert found.__dict__ == pika.BasicProperties(headers=table, **texts, **numbers).__dict__
    made = properties_with_table(pika.BasicProperties)(encoded(table), **texts, **numbers)
    assert b"".join(made.encode()) == with_table(without, encoded(table))


OTHERS = [
    frame.Heartbeat().marshal(),
    frame.Body(3, b"\x02" * 40).marshal(),
    frame.Method(1, pika.spec.Basic.Ack(7)).marshal(),
    frame.Method(3, pika.spec.Basic.Deliver("ctag", 1, False, "orders", "OrderPlaced")).marshal(),
    b"\x02\0\x03\0\0\0\x20half of a frame that has more than that",
    b"AMQP\0\0\x09\x01",
    b"",
    b"\x01\0\0\0\0\0\x04\0\x3c\0\x3c\xce",
    framed(properties_of([(b"a", value_of("S", b"x"))]))[:-1] + b"\0",
]


@pytest.mark.parametrize("other", OTHERS, ids=range(len(OTHERS)))
def test_other_frames_are_left_alone(other: bytes) -> None:
    assert packed_frame(other) == other
    assert readable_frame(other) == other


def test_a_content_header_ends_where_it_says() -> None:
    sent = framed(properties_of([(b"a", value_of("S", b"x"))]))
    assert header_end(sent + b"more") == len(sent)
    assert [header_end(sent[:size]) for size in range(len(sent))] == [0] * len(sent)
    assert unpacked({"a": 1}) == {"a": 1}
    assert unpacked(None) is None
