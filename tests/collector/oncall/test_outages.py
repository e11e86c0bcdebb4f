"""A broker that doesn't answer is one line, whatever else fails because of it; what fails for itself stays one."""

from __future__ import annotations

import pytest

from flowtrail_collector.oncall.model import Change, Kind, Place, folded, ranked
from flowtrail_collector.oncall.outages import with_outages

PLACE = Place("/lag")
MINUTE = 60_000
SIGNS = {
    "Kafka": [
        (Kind.COLLECTOR, ("tail",), "tail of the collector is failing: no Kafka broker answers at kafka:9092"),
        (Kind.COLLECTOR, ("lag",), "lag of the collector is failing: no Kafka broker answers at kafka:9092: timed out"),
        (Kind.UNREADABLE, ("cluster", "groups"), "cluster groups: listing groups takes too long"),
        (Kind.UNREADABLE, ("cluster", "Kafka"), "cluster Kafka: no Kafka broker answers at kafka:9092: timed out"),
        (Kind.UNREADABLE, ("broker", "1"), "broker 1: takes too long to answer"),
    ],
    "RabbitMQ": [
        (Kind.COLLECTOR, ("rabbitmq",), "rabbitmq of the collector is failing: no RabbitMQ broker answers at amqp://mq"),
        (Kind.UNREADABLE, ("cluster", "RabbitMQ"), "cluster RabbitMQ: RabbitMQ's management API at http://mq takes too long to tell its queues"),
        (Kind.UNREADABLE, ("broker", "amqp://mq"), "broker amqp://mq: RabbitMQ's management API doesn't answer at http://mq"),
    ],
}  # fmt: skip
GROUPS = {"Kafka": ["billing", "shipping"], "RabbitMQ": ["rabbitmq:orders.billing", "rabbitmq:audit"]}


def change(
    kind: Kind, name: tuple[str, ...], text: str, since_ms: int | None = 0, touched: int = 0
) -> Change:
    return Change(kind, name, text, PLACE, touched, since_ms=since_ms)


def unread(broker: str, since_ms: int | None = 0) -> list[Change]:
    return [
        change(Kind.UNREADABLE, ("group", name), f"group {name}: no answer", since_ms, number)
        for number, name in enumerate(GROUPS[broker])
    ]


@pytest.mark.parametrize("broker", list(SIGNS))
@pytest.mark.parametrize("began_ms", [None, 30_000])
def test_whatever_tells_of_it_a_silent_broker_is_one_line(broker, began_ms):
    for count in range(1, len(SIGNS[broker]) + 1):
        signs = [change(*sign, began_ms) for sign in SIGNS[broker][:count]]
        found = folded(with_outages([*signs, *unread(broker, began_ms)], {broker: len(GROUPS[broker])}))
        (line,) = found
        assert (line.kind, line.name, line.since_ms, line.touched) == (Kind.BROKER, (broker,), began_ms, 1)
        assert broker in line.text
        assert line.text.endswith("; 2 groups can't be read because of it")
        assert "of the collector" not in line.text


@pytest.mark.parametrize("broker", list(SIGNS))
def test_the_other_broker_and_what_failed_before_stay_as_they_are(broker):
    (other,) = SIGNS.keys() - {broker}
    alarm = change(
        Kind.UNREADABLE,
        ("broker", "rabbit@a"),
        "broker rabbit@a: it is low on disk and takes no messages: ...",
    )
    own = [
        change(Kind.COLLECTOR, ("spans",), "spans of the collector: the disk is full"),
        change(Kind.GROUP, ("billing",), "group billing has no members"),
        *unread(other),
    ]
    refused = unread(broker, -10 * MINUTE)
    signs = [change(*sign) for sign in SIGNS[broker]]
    found = folded(with_outages([*signs, alarm, *own, *refused], {broker: len(GROUPS[broker])}))
    assert {each.key for each in found} == {(Kind.BROKER, (broker,))} | {
        each.key for each in [alarm, *own, *refused]
    }
    assert ranked(found)[0].kind in (Kind.BROKER, Kind.COLLECTOR)


def test_both_at_once_are_two_lines():
    signs = [change(*sign) for of in SIGNS.values() for sign in of]
    groups = {broker: len(names) for broker, names in GROUPS.items()}
    found = folded(with_outages([*signs, *unread("Kafka"), *unread("RabbitMQ")], groups))
    assert sorted(each.name for each in found) == [("Kafka",), ("RabbitMQ",)]


def test_without_a_silent_broker_nothing_is_folded():
    changes = [
        *unread("Kafka"),
        change(Kind.COLLECTOR, ("tail",), "tail of the collector: reading orders-1: denied"),
    ]
    assert with_outages(changes, {"Kafka": 2}) == changes
