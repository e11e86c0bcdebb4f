"""The landscape: what the collector's API answers in several places is put together, and what is aside is left out."""

from __future__ import annotations

import pytest

from flowtrail_collector.documents.gathering import gathered
from flowtrail_collector.documents.landscape import ExchangeShape, Received, Server


def published(topic, type="A", service="orders"):
    return {
        "topic": topic, "type": type, "service": service, "version": None, "events": 1, "keyed": 0,
        "keyed_by_subject": 0, "first_time": None, "last_time": None,
    }  # fmt: skip


def topic(name, dead_letters=False):
    return {"topic": name, "dead_letters": dead_letters, "mapped": False, "partitions": [{}, {}]}


def reading(topic, type, service, last="2026-01-01"):
    return {"topic": topic, "type": type, "service": service, "last_time": last}


def reader(topic, type, service, group=None, last="2026-02-02"):
    return {"topic": topic, "type": type, "service": service, "group": group, "last_seen": last}


def group(name, *topics):
    return {"group": name, "topics": [{"topic": topic} for topic in topics]}


def exchange(name, type, **queues):
    """Queues by name (`__` is a point), each with the keys that it is bound with."""
    bound = [
        {"group": f"rabbitmq:{queue.replace('__', '.')}", "routing_keys": keys.split()}
        for queue, keys in queues.items()
    ]
    return {"topic": name, "type": type, "durable": True, "auto_delete": False, "queues": bound}


def landscape(
    *, rows=("orders",), readings=(), readers=(), groups=(), status=None, topics=None, routing=None
):
    return gathered(
        status=status or {},
        topics={"topics": [topic(name) for name in rows] if topics is None else topics},
        catalog={
            "published": [published(name) for name in rows],
            "readings": readings,
            "since": None,
            "rabbitmq": routing,
        },
        readers={"readers": readers},
        flows={"flows": []},
        lag=None if groups is None else {"groups": groups},
    )


def received(**given):
    return [(row.topic, row.service, row.group, row.types) for row in landscape(**given).received]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"groups": [group("billing", "orders")]}, [("orders", "billing", "billing", None)]),
        (
            {"groups": [group("billing", "orders")], "readings": [reading("orders", "A", "billing")]},
            [("orders", "billing", "billing", frozenset({"A"}))],
        ),
        (
            {"groups": [group("shop-billing-1", "orders")], "readings": [reading("orders", "A", "billing")]},
            [("orders", "billing", "shop-billing-1", frozenset({"A"}))],
        ),
        (
            {"groups": [group("g7", "orders")], "readers": [reader("orders", "A", "billing", "g7")]},
            [("orders", "billing", "g7", frozenset({"A"}))],
        ),
        (
            {"readings": [reading("orders", "A", "billing")], "readers": [reader("orders", "B", "billing")]},
            [("orders", "billing", None, frozenset({"A", "B"}))],
        ),
        (
            {"groups": [group("a-b", "orders")], "readings": [reading("orders", "A", x) for x in "ab"]},
            [("orders", "a-b", "a-b", None), *(("orders", x, None, frozenset({"A"})) for x in "ab")],
        ),
        ({"groups": [group("billing", "elsewhere")], "readings": [reading("gone", "A", "x")]}, []),
        ({"groups": None, "readings": [reading("orders", "A", "x")]}, [("orders", "x", None, frozenset("A"))]),
    ],
)  # fmt: skip
def test_readers(given, expected):
    assert received(**given) == expected


RABBIT = "rabbitmq:orders"


@pytest.mark.parametrize(
    ("queues", "given", "expected"),
    [
        (exchange(RABBIT, "topic", orders__billing="A"), {}, ("billing", frozenset("A"), ("A",))),
        (exchange(RABBIT, "topic", orders__billing="A B"), {}, ("billing", frozenset("A"), ("A", "B"))),
        (exchange(RABBIT, "topic", orders__billing="#"), {}, ("billing", None, ("#",))),
        (exchange(RABBIT, "topic", orders__billing="A order.*"), {}, ("billing", None, ("A", "order.*"))),
        (
            exchange(RABBIT, "direct", orders__billing="order-placed"),
            {},
            ("billing", None, ("order-placed",)),
        ),
        (exchange(RABBIT, "fanout", orders__billing="A"), {}, ("billing", None, ())),
        (
            exchange(RABBIT, "topic", all__of__billing="#"),
            {"readings": [reading(RABBIT, "A", "billing")]},
            ("billing", frozenset("A"), ("#",)),
        ),
        (
            exchange(RABBIT, "topic", orders__g7="#"),
            {"readers": [reader(RABBIT, "A", "billing", "g7")]},
            ("billing", frozenset("A"), ("#",)),
        ),
    ],
)
def test_queues_are_readers_of_the_exchange_that_they_are_bound_to(queues, given, expected):
    """The lag knows a queue as a group that reads itself, which says nothing here."""
    name = queues["queues"][0]["group"]
    routing = {
        "protocol": "amqp",
        "vhost": "/",
        "exchanges": [queues, exchange("rabbitmq:silent", "topic", x="#")],
    }
    (found,) = landscape(rows=(RABBIT,), groups=[group(name, name)], routing=routing, **given).received
    assert (found.service, found.types, found.routing_keys) == expected
    assert (found.topic, found.group) == (RABBIT, name)


def test_an_exchange_is_what_its_server_says_if_it_does():
    routing = {"protocol": "amqps", "vhost": "shop", "exchanges": [exchange(RABBIT, "headers")]}
    found = landscape(rows=(RABBIT,), routing=routing, status={"rabbitmq": "rabbit:5671/shop"})
    assert [topic.exchange for topic in found.topics] == [ExchangeShape("headers", True, False, "shop")]
    assert found.servers == [Server("rabbitmq", "rabbit:5671", "amqps", "shop")]
    for unknown in (None, {**routing, "exchanges": None}):
        assert [topic.exchange for topic in landscape(rows=(RABBIT,), routing=unknown).topics] == [None]


def test_the_last_time_is_the_latest_of_all():
    (found,) = landscape(
        readings=[reading("orders", "A", "x", "2026-01-05"), reading("orders", "B", "x", "2026-01-03")],
        readers=[reader("orders", "A", "x", last="2026-01-04")],
    ).received
    assert found == Received("orders", "x", None, frozenset({"A", "B"}), "2026-01-05")


def test_dead_letters_and_retries_are_left_out():
    found = landscape(
        rows=("orders", "orders.billing.dlq", "orders.billing.retry.2", "pastretry.1"),
        topics=[topic("orders"), topic("orders.billing.dlq", dead_letters=True)],
    )
    assert [row.name for row in found.topics] == ["orders", "pastretry.1"]
    assert {row.topic for row in found.sent} == {"orders", "pastretry.1"}
    assert [row.partitions for row in found.topics] == [2, None]


@pytest.mark.parametrize(
    ("status", "servers"),
    [
        ({}, []),
        ({"bootstrap_servers": "a:1,b:2", "rabbitmq": ""}, [Server("kafka", "a:1,b:2")]),
        ({"rabbitmq": "amqps://user:secret@rabbit:5671/shop"}, [Server("rabbitmq", "rabbit:5671")]),
        ({"rabbitmq": "amqp://rabbit"}, [Server("rabbitmq", "rabbit")]),
    ],
)
def test_servers_never_show_a_password(status, servers):
    assert landscape(status=status).servers == servers
