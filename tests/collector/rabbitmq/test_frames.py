"""Deliveries cut out of a connection's bytes are what the client makes of the same bytes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame, spec
from pika.channel import ContentFrameAssembler

from flowtrail_collector.brokers.rabbitmq.deliveries import text_of
from flowtrail_collector.brokers.rabbitmq.frames import HEARTBEAT, Delivered, Splitter

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
        [frame.Method(CHANNEL, spec.Channel.Flow(False)).marshal()],
        [frame.Method(CHANNEL, spec.Channel.Close(404, "NOT_FOUND", 60, 20)).marshal()],
        [frame.Method(0, spec.Connection.Blocked("low on memory")).marshal()],
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


def assembled(data: bytes) -> list[tuple[Any, ...]]:
    """Deliveries of the channel that the client makes of this, until something is wrong with it."""
    ours: list[tuple[Any, ...]] = []
    assembler = ContentFrameAssembler()
    # Whatever a decoder raises at broken bytes ends the connection.
    with suppress(Exception):
        while data:
            used, found = frame.decode_frame(data)
            if found is None:
                break
            data = data[used:]
            if getattr(found, "channel_number", None) != CHANNEL or isinstance(found, frame.Heartbeat):
                continue
            if isinstance(found, frame.Method) and not spec.has_content(found.method.INDEX):
                continue
            content = assembler.process(found)
            if content is not None and isinstance(content[0].method, spec.Basic.Deliver):
                method, header, body = content
                ours.append(
                    (
                        method.method.delivery_tag,
                        method.method.exchange,
                        method.method.routing_key,
                        header.properties,
                        body,
                    )
                )
    return ours


def taken(delivered: Delivered) -> tuple[Any, ...]:
    """A delivery as it is after decoding; None for properties that can't be."""
    tag, exchange, key, properties, body = delivered
    try:
        return tag, text_of(exchange), text_of(key), pika.BasicProperties().decode(properties), body
    except Exception:
        return tag, exchange, key, None, body


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


@given(
    st.lists(st.one_of(MESSAGES, OTHERS), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=2),
    st.lists(st.integers(1, 90), max_size=20),
)
def test_whatever_comes_the_client_would_have_handed_over_the_same(
    groups: list[list[bytes]], changes: list[tuple[int, int]], sizes: list[int]
) -> None:
    data = bytearray(b"".join(each for group in groups for each in group))
    for place, value in changes:
        data[place % len(data)] = value
    splitter = Splitter()
    splitter.channel = CHANNEL
    others = fed(splitter, bytes(data), sizes)
    expected = assembled(bytes(data))
    found = [taken(each) for each in splitter.deliveries] + assembled(b"".join(others))
    # After the first broken frame the connection ends; what was taken behind it is read again.
    assert found[: len(expected)] == expected


@given(
    st.lists(MESSAGES, min_size=1, max_size=4), st.lists(st.tuples(st.integers(0, 20), OTHERS), max_size=4)
)
def test_frames_of_others_within_a_delivery_lose_nothing(
    messages: list[list[bytes]], between: list[tuple[int, list[bytes]]]
) -> None:
    frames = [each for group in messages for each in group]
    for place, (other, *_) in between:
        if other[1:3] != CHANNEL.to_bytes(2):
            frames.insert(place % (len(frames) + 1), other)
    data = b"".join(frames)
    splitter = Splitter()
    splitter.channel = CHANNEL
    others = b"".join(splitter.feed(data))
    assert [taken(each) for each in splitter.deliveries] + assembled(others) == assembled(data)


@pytest.mark.parametrize("behind", [1, 2, 3])
def test_a_delivery_that_is_broken_off_is_the_clients_at_once(behind: int) -> None:
    frames = frames_of(1, "orders", "Placed", {}, b"abcdefghi", CHANNEL)
    close = frame.Method(CHANNEL, spec.Channel.Close(541, "INTERNAL_ERROR", 0, 0)).marshal()
    data = b"".join([*frames[:behind], close])
    splitter = Splitter()
    splitter.channel = CHANNEL
    assert b"".join(splitter.feed(data)) == data


def test_in_two_pieces_at_every_byte() -> None:
    table = {"name": "value", "number": 2**40}
    data = b"".join(
        [
            *frames_of(1, "orders", "Placed", table, b"abcdefg", CHANNEL),
            HEARTBEAT,
            *frames_of(2, "orders", "Placed", table, b"", CHANNEL),
            *frames_of(3, "orders", "Placed", table, b"abc", 1),
            *frames_of(4, "orders", "Placed", table, b"abc", CHANNEL),
        ]
    )
    for place in range(len(data) + 1):
        splitter = Splitter()
        splitter.channel = CHANNEL
        others = fed(splitter, data, [place])
        assert [decoded(each)[0] for each in splitter.deliveries] == [1, 2, 4], place
        assert others == read_by_the_client(data)[1]


@pytest.mark.parametrize(("at", "what"), [(11, "consumer tag"), (25, "exchange"), (32, "routing key")])
def test_a_text_that_reaches_beyond_its_frame_is_the_clients(at: int, what: str) -> None:
    data = bytearray(b"".join(frames_of(1, "orders", "Placed", {}, b"abc", CHANNEL)))
    assert data[at] in (4, 6), what
    data[at] += 5
    splitter = Splitter()
    splitter.channel = CHANNEL
    assert b"".join(splitter.feed(bytes(data))) == bytes(data)
    assert splitter.deliveries == []


def test_the_heartbeat_is_the_clients() -> None:
    assert frame.Heartbeat().marshal() == HEARTBEAT


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
