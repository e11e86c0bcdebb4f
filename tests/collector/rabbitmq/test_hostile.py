"""No message keeps others from being read, whatever its headers are."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from rabbitkit import CLIENTS, HOSTILE, Corner, Following, change_client, hostile
from waiting import until

pytestmark = pytest.mark.servers


def send(corner: Corner, exchange: str, routing_key: str, name: str) -> None:
    with corner.channel() as channel:
        channel.basic_publish(exchange, routing_key, name.encode(), hostile(name))


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_tail_reads_on(
    corner: Corner, following: Following, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = corner.taken_exchange("orders")
    change_client(kind, monkeypatch)
    with following:
        until(lambda: corner.followed() == {orders}, "the binding")
        corner.publish(orders, 3)
        # What pika decodes itself costs two connections a message.
        names = HOSTILE if kind == CLIENTS[0] else ["milliseconds", "last stamp", "the last moment"]
        for number, name in enumerate(names):
            send(corner, orders, name, name)
            corner.publish(orders, 1, first=3 + number)
        until(lambda: len(following.events()) >= 3 + len(names), following.events, 60)
        found = [name for topic, name in following.events() if topic == f"rabbitmq:{orders}"]
        assert sorted(found) == sorted(f"OrderPlaced-{number}" for number in range(3 + len(names)))
        assert set(following.events().values()) == {1}
        until(lambda: following.problem() == "", following.problem)


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_dead_letters_are_seen_and_sent_back(corner: Corner, following: Following, queue_type: str) -> None:
    target, dead = corner.queue("target"), corner.queue("odd.dlq", x_queue_type=queue_type)
    for name in HOSTILE:
        send(corner, "", dead, name)

    def letters(state: str = "pending") -> list[Any]:
        return list(following.api(f"dead-letters?state={state}")["dead_letters"])

    with following:
        until(lambda: len(letters()) == len(HOSTILE), letters)
        until(lambda: following.problem("rabbitmq dead letters") == "", "the part")
        following.api("dead-letters/redrive", "POST", {"all": True, "to": f"rabbitmq:{target}"})
        until(lambda: corner.depth(target) == len(HOSTILE), letters)
        until(lambda: letters() == [], letters)
        until(lambda: corner.depth(dead) == 0, letters)


@pytest.mark.parametrize("kind", CLIENTS[1:2])
def test_a_queue_that_the_client_can_not_decode_is_named_once_and_others_are_read(
    corner: Corner,
    following: Following,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    odd, good = corner.queue("a.dlq"), corner.queue("z.dlq")
    change_client(kind, monkeypatch)

    def topics() -> list[str]:
        return sorted(each["topic"] for each in following.api("dead-letters")["dead_letters"])

    with following:
        until(lambda: following.problem("rabbitmq dead letters") == "", "the part")
        with corner.channel() as channel:
            for queue in (odd, good):
                channel.basic_publish("", queue, b"{}")
        send(corner, "", odd, "milliseconds")
        until(lambda: topics() == [f"rabbitmq:{odd}", f"rabbitmq:{good}"], topics)
        until(lambda: f"queue {odd} is read up to a message" in caplog.text, lambda: caplog.text)
        with corner.channel() as channel:
            channel.basic_publish("", good, b"more")
        until(lambda: len(topics()) == 3, topics)
        until(lambda: following.problem("rabbitmq dead letters") == "", "the part")
    assert caplog.text.count(f"queue {odd}") == 1
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert "Traceback" not in caplog.text
