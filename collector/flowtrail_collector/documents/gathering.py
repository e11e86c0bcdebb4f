"""Makes the landscape of what the collector's API answers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flowtrail_collector.broker_names import without_broker
from flowtrail_collector.documents.landscape import (
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
    return Landscape(
        servers=list(_servers(status)),
        topics=[_topic(name, known.get(name)) for name in names],
        sent=sent,
        received=list(
            _received(
                [*catalog["readings"], *map(_as_reading, readers["readers"])],
                () if lag is None else lag["groups"],
                {row["group"]: row["service"] for row in readers["readers"] if row["group"]},
                set(names),
            )
        ),
        flows=[_flow(row) for row in flows["flows"]],
        since=catalog["since"],
        knows_groups=lag is not None,
    )


def _usual(topic: str, aside: set[str]) -> bool:
    return topic not in aside and not _RETRY.search(topic)


def _servers(status: Answer) -> Iterator[Server]:
    if status.get("bootstrap_servers"):
        yield Server("kafka", status["bootstrap_servers"])
    if status.get("rabbitmq"):
        # `amqp://host:5672/`: user and password are left out already where it is shown.
        host = re.sub(r"^\w+://(?:[^@/]*@)?", "", status["rabbitmq"]).partition("/")[0]
        yield Server("rabbitmq", host)


def _topic(name: str, row: Answer | None) -> Topic:
    if row is None:
        return Topic(name)
    return Topic(name, len(row["partitions"]) or None, row["mapped"])


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


def _received(
    readings: Iterable[Answer], groups: Iterable[Answer], services_of: Mapping[str, str], topics: set[str]
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
    for group in sorted(groups, key=lambda row: str(row["group"])):
        service = services_of.get(group["group"]) or _service_of(group["group"], services)
        for topic in sorted(row["topic"] for row in group["topics"]):
            if topic in topics:
                key = topic, service
                rest.discard(key)
                found = types.get(key)
                yield Received(
                    topic, service, group["group"], frozenset(found) if found else None, last.get(key)
                )
    for key in sorted(rest):
        yield Received(*key, None, frozenset(types[key]), last[key])


def _service_of(group: str, services: set[str]) -> str:
    """The service of a group: the one called like it, else the only one whose name is a part of its name."""
    name = without_broker(group)
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
