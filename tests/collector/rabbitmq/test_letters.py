"""Dead letters in queues: seen where they lie, sent back, and taken away only then."""

from __future__ import annotations

import re
import time
from datetime import datetime
from decimal import Decimal
from typing import Any

import pika
import pytest

import flowtrail
from flowtrail_collector.brokers.rabbitmq.browsing import counts_looks
from flowtrail_collector.cli._dead_letters_view import _moved
from rabbitkit import Corner, Following
from waiting import scaled, until

pytestmark = pytest.mark.servers


def killed(corner: Corner, count: int) -> tuple[str, str]:
    """A queue whose consumer has rejected so many messages, and the queue they lie in now."""
    orders = corner.exchange("orders")
    dead = corner.queue("billing.dlq")
    queue = corner.queue(
        "billing", orders, x_dead_letter_exchange="", x_dead_letter_routing_key=corner.called("billing.dlq")
    )
    corner.publish(orders, count)
    with corner.channel() as channel:
        for _ in range(count):
            method, _, _ = channel.basic_get(queue)
            channel.basic_reject(method.delivery_tag, requeue=False)
    until(lambda: corner.depth(dead) == count, "dead letters")
    return queue, dead


def arrivals(following: Following) -> float:
    found = re.findall(r"^flowtrail_dlq_arrivals_total\{.*\} (\S+)$", following.metrics(), re.MULTILINE)
    return sum(map(float, found))


def letters(following: Following, state: str = "pending") -> list[dict[str, object]]:
    return list(following.api(f"dead-letters?state={state}")["dead_letters"])


def sent_back(following: Following, **asked: object) -> dict[str, object]:
    job = following.api("dead-letters/redrive", "POST", {"all": True, **asked})

    def over() -> dict[str, object] | None:
        now = following.api(f"redrives/{job['id']}")
        return dict(now) if now["state"] == "done" else None

    return until(over, "the redrive")


def test_the_servers_own_dead_letters_are_seen_once_and_stay(corner: Corner, following: Following) -> None:
    queue, dead = killed(corner, 3)
    for _ in range(2):
        with following:
            until(lambda: len(letters(following)) == 3, "letters")
            until(lambda: following.problem("rabbitmq dead letters") == "", "the part")
            found = letters(following)
            assert {(each["topic"], each["group"], each["error_type"]) for each in found} == {
                (f"rabbitmq:{dead}", queue, "rejected")
            }
            assert {each["event_id"] for each in found} == {f"OrderPlaced-{n}" for n in range(3)}
            assert arrivals(following) == 3
    until(lambda: corner.depth(dead) == 3, "all of them back in their places")


def test_sent_back_they_leave_their_queue_and_arrive_as_they_were(
    corner: Corner, following: Following
) -> None:
    queue, dead = killed(corner, 3)
    with following:
        until(lambda: len(letters(following)) == 3, "letters")
        counted = following.api("dead-letters/redrive", "POST", {"all": True, "dry_run": True})
        assert counted["by_target"] == [{"name": f"rabbitmq:{queue}", "count": 3}]
        assert corner.depth(queue) == 0
        done = sent_back(following)
        assert (done["redriven"], done["refused"]) == (3, 0)
        until(lambda: (corner.depth(queue), corner.depth(dead)) == (3, 0), "messages back")
        assert len(letters(following, "redriven")) == 3
        audit = following.api("dead-letters/audit")["moved"]
        assert {
            (line["target_topic"], line["target_partition"], line["target_offset"]) for line in audit
        } == {(f"rabbitmq:{queue}", None, None)}
        shown = _moved(audit[0])
        assert f" redriven to rabbitmq:{queue} by " in shown
    with corner.channel() as channel:
        _, properties, _ = channel.basic_get(queue)
    assert not [name for name in properties.headers if "death" in name]
    assert properties.headers["dlq.replays"] == "1"


@pytest.mark.parametrize(
    "retry", [flowtrail.Retry(attempts=1), flowtrail.Retry(topics=[0.5])], ids=["", "delayed"]
)
@pytest.mark.parametrize("client", ["pika", "aio-pika"])
def test_the_librarys_dead_letter_goes_back_to_its_exchange(
    client: str, retry: flowtrail.Retry, corner: Corner, following: Following
) -> None:
    topic, group = corner.called("orders"), "billing"
    trail = flowtrail.Trail("shop", corner.place.url, client=client)
    failing, handled = True, []

    @trail.consumer(topic, types=["OrderPlaced"], group=group, retry=retry)
    def charge(event: flowtrail.Event) -> None:
        if failing:
            raise ValueError("no funds")
        handled.append(event.id)

    with following, trail.running():
        assert trail.ready(scaled(40))
        sent = trail.publish(topic, {"cents": 5}, type="OrderPlaced", subject="ORD-1")
        (letter,) = until(lambda: letters(following), "the letter")
        assert (letter["group"], letter["source_topic"]) == (group, f"rabbitmq:{topic}")
        assert (letter["error_message"], letter["attempts"]) == ("no funds", retry.max_attempts)
        failing = False
        assert sent_back(following)["redriven"] == 1
        until(lambda: corner.depth(f"{topic}.{group}.dlq") == 0, "an empty queue of dead letters")
        until(lambda: handled == [sent.event_id], lambda: handled)


def test_letters_that_are_the_same_in_everything_are_as_many_as_there_are(
    corner: Corner, following: Following
) -> None:
    dead, target = corner.queue("pings.dlq"), corner.queue("pings")

    def ping() -> None:
        with corner.channel() as channel:
            channel.basic_publish("", dead, b"ping")

    with following:
        for count in (3, 1):
            for _ in range(count):
                ping()
            until(lambda count=count: len(letters(following)) == count, "letters")
            assert sent_back(following, to=f"rabbitmq:{target}")["redriven"] == count
            until(lambda: corner.depth(dead) == 0, "an empty queue of dead letters")
    assert corner.depth(target) == 4


@pytest.mark.parametrize("limit", [2, -1])
def test_a_queue_that_counts_looks_is_left_alone_and_named_once(
    corner: Corner, following: Following, caplog: pytest.LogCaptureFixture, limit: int
) -> None:
    if not counts_looks({"type": "quorum", "arguments": {"x-delivery-limit": limit}}, corner.version()):
        pytest.skip("this server takes it for no limit")
    limited = corner.queue("limited.dlq", x_queue_type="quorum", x_delivery_limit=limit)
    killed(corner, 1)
    with corner.channel() as channel:
        channel.basic_publish("", limited, b"x")
    with following:
        until(lambda: len(letters(following)) == 1, "the letter of the other queue")
        until(lambda: f"queue {limited} isn't read" in caplog.text, lambda: caplog.text)
        assert "delivery-limit" in caplog.text
        assert len(letters(following)) == 1
        # Whoever serves by /readyz has to be served all the same.
        until(lambda: following.problem("rabbitmq dead letters") == "", "the part")
    assert caplog.text.count(limited) == 1
    assert corner.depth(limited) == 1


@pytest.mark.parametrize(
    ("version", "limit", "counts"),
    [
        ("3.10.8", None, False),
        ("3.10.8", 20, True),
        ("3.13.7", -1, True),
        ("4.0.1", None, True),
        ("4.1.0", 20, True),
        ("4.1.0", -1, False),
        ("5.0.0", -1, False),
    ],
)
@pytest.mark.parametrize("where", ["arguments", "effective_policy_definition"])
def test_which_queues_count_looks(version: str, limit: int | None, counts: bool, where: str) -> None:
    name = "x-delivery-limit" if where == "arguments" else "delivery-limit"
    said = {} if limit is None else {where: {name: limit}}
    assert counts_looks({"type": "quorum", **said}, version) == counts
    assert not counts_looks({"type": "classic", **said}, version)


def test_a_copy_over_which_the_server_ends_the_connection_keeps_no_others_from_leaving(
    corner: Corner, following: Following
) -> None:
    if int(corner.version().partition(".")[0]) >= 4:
        pytest.skip("this server puts decimals into streams")
    orders = corner.exchange("orders")
    target, dead = corner.queue("target", orders), corner.queue("odd.dlq")
    with following:
        until(lambda: corner.followed() == {orders}, "the binding")
        with corner.channel() as channel:
            for number in range(3):
                odd = {"price": Decimal("12.50")} if number == 1 else {}
                properties = pika.BasicProperties(headers={"cloudEvents_id": f"e-{number}", **odd})
                channel.basic_publish("", dead, b"%d" % number, properties)
        until(lambda: len(letters(following)) == 3, "letters")
        done = sent_back(following, to=f"rabbitmq:{orders}")
        assert (done["redriven"], done["refused"]) == (2, 1)
        assert "may have arrived" in str(done["refusals"])
        until(lambda: corner.depth(dead) == 1, lambda: corner.depth(dead))
        assert [letter["event_id"] for letter in letters(following)] == ["e-1"]
    assert corner.depth(target) >= 2


def test_what_another_look_holds_is_waited_for(corner: Corner, following: Following) -> None:
    target, dead = corner.queue("target"), corner.queue("held.dlq", x_queue_type="quorum")
    with corner.channel() as channel:
        channel.basic_publish("", dead, b"x")
    with following:
        until(lambda: len(letters(following)) == 1, "the letter")
        with corner.channel() as channel:
            until(lambda: channel.basic_get(dead)[0], "a look that holds it")
            job = following.api("dead-letters/redrive", "POST", {"all": True, "to": f"rabbitmq:{target}"})
            channel.connection.process_data_events(1)

        def ended() -> Any:
            found = following.api(f"redrives/{job['id']}")
            return found if found["state"] == "done" else None

        assert until(ended, "the redrive")["redriven"] == 1
    assert corner.depth(target) == 1


@pytest.mark.parametrize("rate", [0, 4], ids=["at once", "in portions"])
def test_sent_back_the_oldest_goes_first(corner: Corner, following: Following, rate: int) -> None:
    target, dead = corner.queue("target"), corner.queue("many.dlq")
    count = 12
    with corner.channel() as channel:
        for number in range(count):
            moment = {"timestamp_in_ms": 1_790_000_000_000 + number}
            channel.basic_publish("", dead, b"%d" % number, pika.BasicProperties(headers=moment))
    with following:
        until(lambda: len(letters(following)) == count, "letters")
        assert sent_back(following, to=f"rabbitmq:{target}", rate=rate)["redriven"] == count
    with corner.channel() as channel:
        arrived = [channel.basic_get(target, auto_ack=True)[2] for _ in range(count)]
    assert arrived == [b"%d" % number for number in range(count)]


def test_a_dead_letter_goes_back_with_routing_key_and_properties_byte_for_byte(
    corner: Corner, following: Following
) -> None:
    orders = corner.exchange("orders")
    copies = corner.queue("copies", orders)
    trail = flowtrail.Trail("shop", corner.place.url, client="pika")

    @trail.consumer(orders, group="billing", retry=flowtrail.Retry(attempts=1))
    def refuse(event: flowtrail.Event) -> None:
        raise ValueError("no")

    texts = {
        "correlation_id": b"\xff\xfe",
        "message_id": b"\x80id",
        "reply_to": b"\xc3",
        "app_id": b"\xe4",
        "type": b"\xf6",
    }
    headers = {"cloudEvents_specversion": "1.0", "cloudEvents_id": "e-1", "cloudEvents_type": "T"}
    with following, trail.running():
        assert trail.ready(scaled(40))
        with corner.channel() as channel:
            channel.basic_publish(orders, b"k\xff.x", b"{}", pika.BasicProperties(headers=headers, **texts))  # type: ignore[arg-type]
        until(lambda: letters(following), "the letter")
        assert sent_back(following)["redriven"] == 1
        until(lambda: corner.depth(copies) == 2, "the copy")
    with corner.channel() as channel:
        for _ in range(2):
            method, properties, _ = channel.basic_get(copies, auto_ack=True)
            assert method.routing_key == b"k\xff.x"
            assert {name: getattr(properties, name) for name in texts} == texts


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_who_is_looked_at_or_sent_back_alone_leaves_the_others_in_order(
    corner: Corner, following: Following, queue_type: str
) -> None:
    target, dead = corner.queue("target"), corner.queue("many.dlq", x_queue_type=queue_type)
    with corner.channel() as channel:
        for number in range(8):
            headers = {
                "cloudEvents_id": f"e-{number}",
                "cloudEvents_type": "T",
                "cloudEvents_specversion": "1.0",
            }
            channel.basic_publish("", dead, b"%d" % number, pika.BasicProperties(headers=headers))
    with following:
        until(lambda: len(letters(following)) == 8, "letters")
        for number in (5, 2):
            assert sent_back(following, to=f"rabbitmq:{target}", id=f"e-{number}")["redriven"] == 1
            until(lambda number=number: corner.depth(dead) == (7 if number == 5 else 6), "one less")
        assert sent_back(following, to=f"rabbitmq:{target}")["redriven"] == 6
    with corner.channel() as channel:
        arrived = [channel.basic_get(target, auto_ack=True)[2] for _ in range(8)]
    assert arrived == [b"%d" % number for number in (5, 2, 0, 1, 3, 4, 6, 7)]


@pytest.mark.parametrize("died", [True, False])
def test_a_message_without_a_timestamp_is_of_about_when_it_came(
    corner: Corner, following: Following, died: bool
) -> None:
    orders, dead = corner.exchange("orders"), corner.queue("billing.dlq")
    queue = corner.queue(
        "billing", orders, x_dead_letter_exchange="", x_dead_letter_routing_key=corner.called("billing.dlq")
    )
    headers = {
        "cloudEvents_id": "e-1", "cloudEvents_type": "T", "cloudEvents_specversion": "1.0",
        "cloudEvents_subject": "ORD-1",
    }  # fmt: skip
    began_ms = int(time.time() * 1000)
    with following:
        until(lambda: corner.followed() == {orders}, "the binding")
        with corner.channel() as channel:
            channel.basic_publish(orders, "T", b"{}", pika.BasicProperties(headers=headers))
            if died:
                until(lambda: corner.depth(queue) == 1, "the message")
                method, _, _ = channel.basic_get(queue)
                channel.basic_reject(method.delivery_tag, requeue=False)
            else:
                channel.basic_publish("", dead, b"{}", pika.BasicProperties(headers=headers))
        until(lambda: letters(following), "the letter")
        (letter,) = following.api("dead-letters/find?id=e-1")["dead_letters"]
        assert began_ms - 5_000 < _ms(letter["arrived"]) <= time.time() * 1000
        trail = until(lambda: following.api("trails/ORD-1"), "the trail")["trail"]
        assert began_ms - 5_000 < _ms(trail["start"]) <= _ms(trail["end"]) <= time.time() * 1000
        assert sent_back(following, to=f"rabbitmq:{queue}")["redriven"] == 1


def _ms(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp() * 1000
