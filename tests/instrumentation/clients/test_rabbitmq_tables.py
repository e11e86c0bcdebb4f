"""A timestamp that a client's decoder can't take is read as the number that it is, and the next message comes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pamqp.frame
import pika
import pika.frame
import pytest
from pamqp.header import ContentHeader

from flowtrail.clients import Subscription
from flowtrail.clients._tables import LAST_SECOND, mended
from instrumentation.clients.rabbitmq_support import ADAPTERS, Opened, raw

ODD = (1_772_000_000_000, 2**64 - 14_256_000, 2**64 - 1, LAST_SECOND + 1, 2**63)
FINE = (0, 1, 1_772_000_000, LAST_SECOND)


class Stamp:
    """A timestamp as it is on the wire."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> None:
    """pika writes any timestamp."""
    write = pika.data.encode_value

    def encode(pieces: list[bytes], value: Any) -> int:
        if not isinstance(value, Stamp):
            return write(pieces, value)
        pieces.append(b"T" + struct.pack(">Q", value.seconds))
        return 9

    monkeypatch.setattr("pika.data.encode_value", encode)


def frame(**properties: Any) -> bytes:
    return pika.frame.Header(1, 3, pika.BasicProperties(**properties)).marshal()


def decoded(data: bytes) -> Any:
    return pika.frame.decode_frame(data)[1].properties  # type: ignore[union-attr]


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("seconds", ODD)
def test_what_both_decoders_fail_on_becomes_a_number(seconds: int) -> None:
    signed = seconds - 2**64 if seconds >= 2**63 else seconds
    headers = {
        "T": "T",
        "at": Stamp(seconds),
        "in": {"a": [1, Stamp(seconds), {"b": Stamp(seconds)}]},
        "x": b"T",
    }
    data = frame(
        content_type="text/T", headers=headers, priority=3, message_id="m", reply_to="T", timestamp=seconds
    )
    found = decoded(mended(data))
    assert found.headers == {"T": "T", "at": signed, "in": {"a": [1, signed, {"b": signed}]}, "x": b"T"}
    assert (found.content_type, found.priority, found.message_id, found.reply_to) == ("text/T", 3, "m", "T")
    assert found.timestamp == 0
    assert decoded(mended(data, table_only=True)).timestamp == seconds
    if seconds > LAST_SECOND * 1000 + 999:
        header = pamqp.frame.unmarshal(mended(data, LAST_SECOND * 1000 + 999))[2]
        assert isinstance(header, ContentHeader)
        assert header.properties.headers["at"] == signed  # type: ignore[index]


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("seconds", FINE)
def test_what_they_can_decode_stays_as_it_is(seconds: int) -> None:
    data = frame(headers={"at": Stamp(seconds), "odd": 3, "list": [None, True, "T"]}, timestamp=seconds)
    assert mended(data) is data


@pytest.mark.usefixtures("written")
def test_what_is_cut_or_no_content_header_is_left_to_the_client() -> None:
    data = frame(headers={"at": Stamp(2**64 - 1), "s": "text"}, timestamp=2**64 - 1)
    for end in range(len(data)):
        mended(data[:end])
    for first in (1, 3, 8):
        other = bytes([first]) + data[1:]
        assert mended(other) is other


@pytest.fixture(params=ADAPTERS)
def opened(request: pytest.FixtureRequest, rabbitmq: str) -> Iterator[Opened]:
    opened = Opened(request.param, rabbitmq)
    yield opened
    opened.close()


@pytest.mark.usefixtures("written")
def test_a_message_with_an_odd_timestamp_is_read_like_any_other(
    opened: Opened, topic: Callable[..., str]
) -> None:
    name = topic("orders")
    member = opened.member(Subscription(name))
    with raw(opened.url) as channel:
        for seconds in ODD:
            properties = pika.BasicProperties(headers={"at": Stamp(seconds)}, timestamp=seconds)
            channel.basic_publish(name, "E", b"%d" % seconds, properties)
        channel.basic_publish(name, "E", b"next")
    records = member.take(len(ODD) + 1)
    assert [record.value for record in records] == [*(b"%d" % seconds for seconds in ODD), b"next"]
    assert all(dict(record.headers)["at"] for record in records[:-1])
    assert dict(records[2].headers)["at"] == b"-1"
