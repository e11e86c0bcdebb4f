"""Records, by three clients, on devbroker and on a real Kafka: what is true of one is true of both."""

import time
from collections.abc import Callable

import pytest

from servers.clients import Confluent, Driver, Message, Received, consume
from waiting import scaled

# Each statement runs with every client: half a second each, because clients connect and groups form.
pytestmark = pytest.mark.slow


def _read_all(driver: Driver, broker: str, topic: str, count: int) -> list[Received]:
    with driver.member(broker, topic) as member:
        return consume(member, count)


def test_what_is_produced_is_consumed(driver: Driver, broker: str, topic: Callable[..., str]) -> None:
    name = topic()
    now = int(time.time() * 1000)
    messages = [
        Message(b"value", b"key", [("a", b"1"), ("a", b"2"), ("empty", b"")], timestamp_ms=now),
        Message(None, b"tombstone", timestamp_ms=now + 1),
        Message(b"", None, timestamp_ms=now - 5),
        Message(bytes(range(256)), bytes(range(255, -1, -1)), [("ключ", "значение".encode())], 0, now),
    ]
    assert driver.produce(broker, name, messages) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    received = _read_all(driver, broker, name, 4)
    assert [(r.partition, r.offset) for r in received] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert [(r.key, r.value, r.timestamp_ms) for r in received] == [
        (m.key, m.value, m.timestamp_ms) for m in messages
    ]
    assert [list(r.headers) for r in received] == [list(m.headers) for m in messages]


def test_a_header_without_value(broker: str, topic: Callable[..., str]) -> None:
    name = topic()
    confluent = Confluent()
    confluent.produce(broker, name, [Message(b"v", headers=[("none", None), ("some", b"x")])])
    (received,) = _read_all(confluent, broker, name, 1)
    assert list(received.headers) == [("none", None), ("some", b"x")]


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("idempotent", [False, True], ids=["plain", "idempotent"])
def test_many_messages_keep_their_order(
    driver: Driver, broker: str, topic: Callable[..., str], compression: str | None, idempotent: bool
) -> None:
    name = topic()
    messages = [Message(f"{number:05}".encode() * 40, partition=0) for number in range(600)]
    placed = driver.produce(broker, name, messages, compression=compression, idempotent=idempotent)
    assert placed == [(0, number) for number in range(600)]
    received = _read_all(driver, broker, name, 600)
    assert [r.value for r in received] == [m.value for m in messages]
    assert [r.offset for r in received] == list(range(600))


def test_messages_without_a_partition_go_by_key(
    driver: Driver, broker: str, topic: Callable[..., str]
) -> None:
    name = topic()
    keys = [f"k{number % 7}".encode() for number in range(40)]
    placed = driver.produce(broker, name, [Message(b"v", key, partition=None) for key in keys])
    by_key = dict(zip(keys, placed, strict=True))
    assert all(place[0] == by_key[key][0] for key, place in zip(keys, placed, strict=True))
    assert {partition for partition, _ in placed} <= {0, 1, 2}


def test_a_message_just_under_the_limit(driver: Driver, broker: str, topic: Callable[..., str]) -> None:
    name = topic()
    value = bytes(1_000_000)
    driver.produce(broker, name, [Message(value), Message(b"small")], max_bytes=2_000_000)
    received = _read_all(driver, broker, name, 2)
    assert [r.value for r in received] == [value, b"small"]


def test_a_message_over_the_limit_is_refused(driver: Driver, broker: str, topic: Callable[..., str]) -> None:
    with pytest.raises(Exception, match=r"(?i)message_?(size_?)?too_?large|too large|larger than the max"):
        driver.produce(broker, topic(), [Message(bytes(1_100_000))], max_bytes=3_000_000)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_offsets_by_timestamp(
    driver: Driver, broker: str, topic: Callable[..., str], compression: str | None
) -> None:
    name = topic()
    start = int(time.time() * 1000) - 1000
    stamps = [start, start + 10, start + 10, start + 30]
    driver.produce(
        broker, name, [Message(b"v", timestamp_ms=stamp) for stamp in stamps], compression=compression
    )
    asked = [0, start, start + 1, start + 10, start + 11, start + 31]
    assert driver.offsets_at(broker, name, asked) == [0, 0, 1, 1, 3, None]


def test_a_consumer_that_waits_gets_a_message_at_once(
    driver: Driver, broker: str, topic: Callable[..., str]
) -> None:
    name = topic()
    driver.produce(broker, name, [Message(b"first")])
    with driver.member(broker, name) as member:
        consume(member, 1)
        for _ in range(3):
            driver.produce(broker, name, [Message(b"next")])
            produced = time.monotonic()
            assert [r.value for r in consume(member, 1)] == [b"next"]
            assert time.monotonic() - produced < scaled(1)
