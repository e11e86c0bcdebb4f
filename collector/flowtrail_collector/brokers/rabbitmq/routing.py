"""How a virtual host routes: its exchanges, and which queues get what they route, by which keys."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.catalog.ports import Exchange, Routing
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig

__all__ = ["exchanges_of", "routing_of"]

Hop = tuple[str, str, bool]


def routing_of(config: RabbitConfig, holds_dead_letters: Callable[[str], bool]) -> Routing:
    """Ask the server.

    Args:
        config: Which virtual host, and which exchanges are followed.
        holds_dead_letters: Tells by their names the queues that are left out.
    """
    management = Management(config)
    wanted = re.compile(config.exchanges)
    exchanges: Sequence[Exchange] | None = None
    try:
        exchanges = exchanges_of(
            (each for each in management.exchanges() if each["name"] and wanted.fullmatch(each["name"])),
            management.bindings(),
            lambda queue: queue == config.queue or queue.startswith("amq.") or holds_dead_letters(queue),
        )
    except ServiceUnreachableError:
        pass  # the part that reads it tells
    finally:
        management.close()
    return Routing(urlsplit(config.url).scheme, config.vhost, exchanges)


def exchanges_of(
    exchanges: Iterable[Mapping[str, Any]],
    bindings: Iterable[Mapping[str, Any]],
    left_out: Callable[[str], bool],
) -> list[Exchange]:
    """The exchanges with their queues, by name.

    Args:
        exchanges: Those to tell of, as the management API has them.
        bindings: All of the virtual host, likewise.
        left_out: Tells queues that nobody reads events from.
    """
    hops: dict[str, list[Hop]] = defaultdict(list)
    for each in bindings:
        is_queue = each["destination_type"] == "queue"
        if each["source"] and not (is_queue and left_out(str(each["destination"]))):
            hops[str(each["source"])].append((str(each["destination"]), str(each["routing_key"]), is_queue))
    return [
        Exchange(
            str(each["name"]), str(each["type"]), bool(each.get("durable")), bool(each.get("auto_delete")),
            _queues(str(each["name"]), hops),
        )
        for each in sorted(exchanges, key=lambda each: str(each["name"]))
        if not each.get("internal")
    ]  # fmt: skip


def _queues(exchange: str, hops: Mapping[str, Sequence[Hop]]) -> dict[str, list[str]]:
    """By queue the keys with which its way begins; ways that lead in a circle end."""
    found: dict[str, set[str]] = defaultdict(set)
    for destination, key, is_queue in hops.get(exchange, ()):
        waiting, passed = [(destination, is_queue)], {exchange}
        while waiting:
            name, ends = waiting.pop()
            if ends:
                found[name].add(key)
            elif name not in passed:
                passed.add(name)
                waiting += [(further, is_end) for further, _, is_end in hops.get(name, ())]
    return {queue: sorted(keys) for queue, keys in sorted(found.items())}
