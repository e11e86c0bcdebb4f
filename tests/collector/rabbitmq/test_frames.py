"""Deliveries cut out of a connection's bytes are what the client makes of the same bytes."""

from __future__ import annotations

from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame, spec

from flowtrail_collector.brokers.rabbitmq.frames import Delivered, Splitter

CHANNEL = 3
SHORT = st.text(max_size=6)
TABLES = st.dictionaries(
    SHORT, st.one_of(SHORT, st.integers(-9, 2**40), st.none(), st.booleans()), max_size=3
)
BODIES = st.binary(max_size=9)
"""Frames hold three bytes of a body, so that many bodies need several."""


def frames_of(
    tag: int, exchange: str, key: str, table: dict[str, Any], body: bytes, channel: int
) -> list[bytes]:
    method = spec.Basic.Deliver("ctag", tag, False, exchange, key)
    properties = pika.BasicProperties(headers=table, message_id=key or None)
    pieces = [body[at : at + 3] for at in range(0, len(body), 3)]
    return [
        frame.Method(channel, method).marshal(),
        frame.Header(channel, len(body), properties).marshal(),
        *(frame.Body(channel, piece).marshal() for piece in pieces),
    ]


MESSAGES = st.builds(
    frames_of, st.integers(1, 2**50), SHORT, SHORT, TABLES, BODIES, st.sampled_from([CHANNEL, CHANNEL, 1])
)
OTHERS = st.sampled_from(
    [
        [frame.Heartbeat().marshal()],
        [frame.Method(CHANNEL, spec.Basic.ConsumeOk("ctag")).marshal()],
        [frame.Method(CHANNEL, spec.Basic.Cancel("ctag")).marshal()],
        [frame.Method(0, spec.Connection.Close(320, "CONNECTION_FORCED", 0, 0)).marshal()],
    ]
)


def read_by_the_client(data: bytes) -> tuple[list[tuple[Any, ...]], list[bytes]]:
    """Deliveries of the channel, and all other frames."""
    ours: list[tuple[Any, ...]] = []
    others: list[bytes] = []
    while data:
        used, found = frame.decode_frame(data)
        assert found is not None
        marshalled, data = data[:used], data[used:]
        mine = getattr(found, "channel_number", None) == CHANNEL
        if mine and isinstance(found, frame.Method) and isinstance(found.method, spec.Basic.Deliver):
            method = found.method
            ours.append((method.delivery_tag, method.exchange, method.routing_key))
        elif mine and isinstance(found, frame.Header):
            ours[-1] = (*ours[-1], found.properties, b"")
        elif mine and isinstance(found, frame.Body):
            ours[-1] = (*ours[-1][:-1], ours[-1][-1] + found.fragment)
        else:
            others.append(marshalled)
    return ours, others


def fed(splitter: Splitter, data: bytes, sizes: list[int]) -> list[bytes]:
    others: list[bytes] = []
    for size in [*sizes, len(data)]:
        piece, data = data[:size], data[size:]
        if piece:
            others += splitter.feed(piece)
    return others


def decoded(delivered: Delivered) -> tuple[Any, ...]:
    tag, exchange, key, properties, body = delivered
    return tag, exchange.decode(), key.decode(), pika.BasicProperties().decode(properties), body


@given(st.lists(st.one_of(MESSAGES, OTHERS), max_size=8), st.lists(st.integers(1, 90), max_size=40))
def test_in_pieces_of_any_size(groups: list[list[bytes]], sizes: list[int]) -> None:
    data = b"".join(each for group in groups for each in group)
    splitter = Splitter()
    splitter.channel = CHANNEL
    others = fed(splitter, data, sizes)
    expected, left = read_by_the_client(data)
    assert [decoded(each) for each in splitter.deliveries] == expected
    assert others == left


@given(
    st.lists(MESSAGES, min_size=1, max_size=4),
    st.integers(0, 10**6),
    st.integers(0, 255),
    st.lists(st.integers(1, 90)),
)
def test_what_is_broken_raises_nothing_here_and_reaches_the_client(
    messages: list[list[bytes]], place: int, value: int, sizes: list[int]
) -> None:
    data = bytearray(b"".join(each for group in messages for each in group))
    data[place % len(data)] = value
    splitter = Splitter()
    splitter.channel = CHANNEL
    others = fed(splitter, bytes(data), sizes)
    assert b"".join(others) in bytes(data) or len(others) > 1


@pytest.mark.parametrize("place", ["end of a method", "end of a header", "end of a body", "kind of a header"])
def test_from_what_is_no_delivery_on_all_is_the_clients(place: str) -> None:
    good = frames_of(1, "orders", "Placed", {"a": "b"}, b"abc", CHANNEL)
    bad = [bytearray(each) for each in frames_of(2, "orders", "Placed", {"a": "b"}, b"abc", CHANNEL)]
    if place == "kind of a header":
        bad[1][0] = 3
    else:
        bad[("end of a method", "end of a header", "end of a body").index(place)][-1] = 0
    splitter = Splitter()
    splitter.channel = CHANNEL
    rest = b"".join(map(bytes, bad)) + b"".join(good)
    assert b"".join(splitter.feed(b"".join(good) + rest)) == rest
    assert [each[0] for each in splitter.deliveries] == [1]
    assert splitter.feed(b"more") == [b"more"]


def test_a_server_of_another_protocol_is_heard() -> None:
    assert Splitter().feed(b"AMQP\x00\x01\x00\x00") == [b"AMQP\x00\x01\x00\x00"]


def test_a_large_body_is_put_together_once() -> None:
    body = b"x" * 3_000_000
    pieces = [body[at : at + 131_064] for at in range(0, len(body), 131_064)]
    method, header = frames_of(1, "orders", "Placed", {}, b"", CHANNEL)
    header = frame.Header(CHANNEL, len(body), pika.BasicProperties()).marshal()
    data = method + header + b"".join(frame.Body(CHANNEL, piece).marshal() for piece in pieces)
    splitter = Splitter()
    splitter.channel = CHANNEL
    joined = 0
    for at in range(0, len(data), 4096):
        assert splitter.feed(data[at : at + 4096]) == []
        joined += len(splitter._parts) == 1
    assert splitter.deliveries[0][4] == body
    assert joined <= 5
