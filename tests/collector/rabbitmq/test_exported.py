"""An AsyncAPI document of what flows on a real RabbitMQ: server, exchanges, queues, routing keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

import flowtrail
from documentkit import parsed
from flowtrail_collector.brokers.rabbitmq.routing import exchanges_of
from flowtrail_collector.cli import _app
from rabbitkit import Corner, Following
from trailkit.web import served
from waiting import scaled, until

DURABLE = {"durable": True, "autoDelete": False, "vhost": "/"}


def asked(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(_app.cli, [str(argument) for argument in arguments], standalone_mode=False)
    assert done.exception is None
    return done.return_value, done.stdout, done.stderr


def operations(found: dict[str, Any], action: str, shown: Callable[[str], str]) -> dict[tuple[str, str], Any]:
    """By service and exchange: types, routing keys, queues."""
    rows = {}
    for row in found["operations"]:
        if row["action"] == action:
            (binding,) = row["bindings"] or [{}]
            queues = [shown(queue) for queue in binding.get("x-flowtrail-queues", ())]
            (address,) = row["addresses"]
            rows[row["service"], shown(address)] = (sorted(row["messages"]), binding.get("cc", []), queues)
    return rows


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.fetches("documents")
def test_servers_exchanges_queues_and_routing_keys_are_those_of_the_server(
    corner: Corner, following: Following, tmp_path: Path
) -> None:
    orders, direct, fanout = (
        corner.called("orders"),
        corner.exchange("direct", "direct"),
        corner.exchange("all", "fanout"),
    )
    corner.queue("picker", direct, "OrderPicked")
    corner.queue("printer", direct, "by hand")
    corner.queue("watcher", fanout, "ignored")
    billing = flowtrail.Trail("billing", corner.place.url, client="pika")
    billing.consumer(orders, types=["OrderPlaced", "OrderCancelled"], group="billing", dead_letter=True)(
        lambda event: None
    )
    shop = flowtrail.Trail("shop", corner.place.url, client="pika")
    with closing(shop), billing.running():
        assert billing.ready(scaled(40))
        corner.queue("audit", orders, "#")
        following.start()
        until(lambda: following.problem() == "", "the tail")
        until(lambda: {orders, direct, fanout} <= corner.followed(), "the stream's bindings")
        shop.publish(orders, {}, type="OrderPlaced", version=2, subject="ORD-1")
        shop.publish(orders, {}, type="OrderShipped", subject="ORD-1")
        corner.publish(direct, kind="OrderPicked")
        corner.publish(fanout, kind="OrderSeen")
        until(lambda: len((following.api("catalog") or {"published": ()})["published"]) == 4, "the types")
        with served(following.collector.app) as url:
            file = tmp_path / "shop.yaml"
            assert asked("asyncapi", "export", "--url", url, "--output", file)[0] == 0
            code, out, _ = asked("asyncapi", "check", file, "--url", url)
            assert (code, out) == (0, "the document matches what flows\n")

    def shown(name: str) -> str:
        return name.removeprefix(f"{corner.name}.")

    found = parsed(file)
    (server,) = found["servers"]
    place = urlsplit(corner.place.url)
    assert (server["protocol"], server["host"]) == ("amqp", f"{place.hostname}:{place.port}")
    bound = {shown(channel["address"]): channel["bindings"] for channel in found["channels"]}
    assert bound == {
        shown(name): [
            {"protocol": "amqp", "is": "routingKey",
             "exchange": {"name": name, "type": kind, **DURABLE}}
        ]
        for name, kind in ((orders, "topic"), (direct, "direct"), (fanout, "fanout"))
    }  # fmt: skip
    assert operations(found, "receive", shown) == {
        ("billing", "orders"): (["OrderPlaced"], ["OrderCancelled", "OrderPlaced"], ["orders.billing"]),
        (corner.called("audit"), "orders"): (["OrderPlaced", "OrderShipped"], ["#"], ["audit"]),
        (corner.called("picker"), "direct"): (["OrderPicked"], ["OrderPicked"], ["picker"]),
        (corner.called("printer"), "direct"): (["OrderPicked"], ["by hand"], ["printer"]),
        (corner.called("watcher"), "all"): (["OrderSeen"], [], ["watcher"]),
    }  # fmt: skip
    assert operations(found, "send", shown) == {
        ("shop", "orders"): (["OrderPlaced", "OrderShipped"], [], []),
        ("orders", "direct"): (["OrderPicked"], [], []),
        ("orders", "all"): (["OrderSeen"], [], []),
    }


def binding(source: str, destination: str, key: str, kind: str = "queue") -> dict[str, str]:
    return {"source": source, "destination": destination, "destination_type": kind, "routing_key": key}


def test_queues_behind_other_exchanges_have_the_key_with_which_the_way_begins() -> None:
    """As with a consistent hash behind a topic exchange; some lead back to where they came from."""
    exchanges = [
        {"name": name, "type": "topic", "durable": True, "auto_delete": False, "internal": name == "inside"}
        for name in ("a", "inside")
    ]
    bindings = [
        binding("", "q1", "q1"), binding("a", "q1", "x"), binding("a", "q1", "y"), binding("a", "b", "z", "exchange"),
        binding("b", "q2", "1"), binding("b", "c", "2", "exchange"), binding("c", "a", "3", "exchange"),
        binding("c", "q1", "4"), binding("c", "left.dlq", "5"),
    ]  # fmt: skip
    (found,) = exchanges_of(exchanges, bindings, lambda queue: queue.endswith(".dlq"))
    assert found == ("a", "topic", True, False, {"q1": ["x", "y", "z"], "q2": ["z"]})
