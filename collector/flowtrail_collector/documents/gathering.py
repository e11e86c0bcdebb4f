"""Makes the landscape of what the collector's API answers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flowtrail_collector.broker_names import without_broker
from flowtrail_collector.documents.landscape import (
    ExchangeShape,
    FlowShape,
    Landscape,
    Received,
    Sent,
    Server,
    StepShape,
    Topic,
)

__all__ = ["gathered"]

Answer = Mapping[str, Any]
_RETRY = re.compile(r"\.retry\.\d+$")
# Types of exchanges that look at the routing key, and what in a key stands for any word.
_BY_KEY = ("topic", "direct")
_ANY = {"#", "*"}


def gathered(
    *, status: Answer, topics: Answer, catalog: Answer, readers: Answer, flows: Answer, lag: Answer | None
) -> Landscape:
    """The landscape.

    Args:
        status: What `/api/v1/status` answers.
        topics: `/api/v1/topics`.
        catalog: `/api/v1/catalog`.
        readers: `/api/v1/readers`.
        flows: `/api/v1/flows`.
        lag: `/api/v1/lag`; None while no groups are known.
    """
    known = {row["topic"]: row for row in topics["topics"]}
    aside = {name for name, row in known.items() if row["dead_letters"]}
    sent = [_sent(row) for row in catalog["published"] if _usual(row["topic"], aside)]
    names = sorted({row.topic for row in sent})
    routing = catalog.get("rabbitmq") or {}
    vhost = routing.get("vhost", "/")
    exchanges = {row["topic"]: row for row in routing.get("exchanges") or ()}
    return Landscape(
        servers=list(_servers(status, routing)),
        topics=[_topic(name, known.get(name), exchanges.get(name), vhost) for name in names],
        sent=sent,
        received=list(
            _received(
                [*catalog["readings"], *map(_as_reading, readers["readers"])],
                [
                    *_groups(lag, names),
                    *_queues((row for row in exchanges.values() if row["topic"] in names), sent),
                ],
                {row["group"]: row["service"] for row in readers["readers"] if row["group"]},
                names,
            )
        ),
        flows=[_flow(row) for row in flows["flows"]],
        since=catalog["since"],
        knows_groups=lag is not None,
    )


def _usual(topic: str, aside: set[str]) -> bool:
    return topic not in aside and not _RETRY.search(topic)


def _servers(status: Answer, routing: Answer) -> Iterator[Server]:
    if status.get("bootstrap_servers"):
        yield Server("kafka", status["bootstrap_servers"])
    if status.get("rabbitmq"):
        # `amqp://host:5672/`: user and password are left out already where it is shown.
        host = re.sub(r"^\w+://(?:[^@/]*@)?", "", status["rabbitmq"]).partition("/")[0]
        yield Server("rabbitmq", host, routing.get("protocol"), routing.get("vhost", "/"))


def _topic(name: str, row: Answer | None, exchange: Answer | None, vhost: str) -> Topic:
    shape = None
    if exchange is not None:
        shape = ExchangeShape(exchange["type"], exchange["durable"], exchange["auto_delete"], vhost)
    if row is None:
        return Topic(name, exchange=shape)
    return Topic(name, len(row["partitions"]) or None, row["mapped"], shape)


def _sent(row: Answer) -> Sent:
    return Sent(
        *(row["topic"], row["type"], row["version"], row["service"]),
        *(row["events"], row["keyed"], row["keyed_by_subject"], row["first_time"], row["last_time"]),
    )


def _as_reading(row: Answer) -> Answer:
    return {
        "topic": row["topic"],
        "type": row["type"],
        "service": row["service"],
        "last_time": row["last_seen"],
    }


class _Reads(NamedTuple):
    """That a consumer group or a queue reads a topic.

    Attributes:
        group: As the collector calls it.
        name: What its service may be called like.
        topic: Which.
        keys: Routing keys that a queue is bound with, where they decide what comes into it.
        types: Those of them that are types; None if that isn't known.
    """

    group: str
    name: str
    topic: str
    keys: tuple[str, ...] = ()
    types: frozenset[str] | None = None


def _groups(lag: Answer | None, topics: Collection[str]) -> Iterator[_Reads]:
    for group in () if lag is None else lag["groups"]:
        for row in group["topics"]:
            if row["topic"] in topics:
                yield _Reads(group["group"], without_broker(group["group"]), row["topic"])


def _queues(exchanges: Iterable[Answer], sent: Sequence[Sent]) -> Iterator[_Reads]:
    """Queues of exchanges; `orders.billing` of exchange `orders` is billing's, if it is flowtrail's."""
    for exchange in exchanges:
        topic = exchange["topic"]
        decides = exchange["type"] in _BY_KEY
        flowing = {row.type for row in sent if row.topic == topic}
        for queue in exchange["queues"]:
            keys = tuple(queue["routing_keys"]) if decides else ()
            types = None if _ANY & set("".join(keys)) else frozenset(keys) & flowing
            name = without_broker(queue["group"]).removeprefix(f"{without_broker(topic)}.")
            yield _Reads(queue["group"], name, topic, keys, types or None)


def _received(
    readings: Iterable[Answer],
    groups: Iterable[_Reads],
    services_of: Mapping[str, str],
    topics: Collection[str],
) -> Iterator[Received]:
    """Readers by what they react to or say that they read, and by the groups that read; one and the same is one."""
    types: dict[tuple[str, str], set[str]] = defaultdict(set)
    last: dict[tuple[str, str], str] = {}
    for row in readings:
        key = row["topic"], row["service"]
        if key[0] in topics:
            types[key].add(row["type"])
            last[key] = max(last.get(key, ""), row["last_time"] or "")
    rest = set(types)
    services = {service for _, service in types}
    for reads in sorted(groups, key=lambda reads: (reads.group, reads.topic)):
        named = services_of.get(reads.group) or services_of.get(reads.name)
        key = reads.topic, named or _service_of(reads.name, services)
        rest.discard(key)
        found = types.get(key, set()) | (reads.types or frozenset())
        yield Received(*key, reads.group, frozenset(found) or None, last.get(key), reads.keys)
    for key in sorted(rest):
        yield Received(*key, None, frozenset(types[key]), last[key])


def _service_of(name: str, services: set[str]) -> str:
    """The service of a group: the one called like it, else the only one whose name is a part of its name."""
    if name in services:
        return name
    words = re.split(r"[^A-Za-z0-9]+", name)
    close = [service for service in sorted(services) if service in words]
    return close[0] if len(close) == 1 else name


def _flow(row: Answer) -> FlowShape:
    steps: Sequence[Answer] = row["steps"]
    return FlowShape(
        name=row["name"],
        starts=tuple(row["starts"]),
        steps=tuple(
            StepShape(
                step["name"], tuple(step["done"]), tuple(step["failed"]), tuple(step["undone"]), step["by"]
            )
            for step in steps
        ),
        completes=tuple(row["completes"]),
        cancels=tuple(row["cancels"]),
    )
