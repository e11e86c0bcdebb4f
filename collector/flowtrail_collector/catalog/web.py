"""`/api/v1/catalog`: which types flow, who publishes them, who reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.broker_names import rabbitmq_name
from flowtrail_collector.catalog.model import Published, PublishedKey
from flowtrail_collector.catalog.ports import Exchange, Routing, RoutingSource
from flowtrail_collector.topology.model import Reading, ReadingKey
from flowtrail_collector.units import iso_time_ms
from flowtrail_collector.web.json import json_response

__all__ = ["catalog_routes"]


def catalog_routes(
    published: Callable[[], Mapping[PublishedKey, Published]],
    readings: Callable[[], Mapping[ReadingKey, Reading]],
    routing: RoutingSource,
    *,
    most: int,
) -> list[BaseRoute]:
    """The route that tells what flows.

    Args:
        published: What was published.
        readings: Who reacts to it.
        routing: How RabbitMQ routes.
        most: How many rows of the former are kept.
    """

    def catalog(request: Request) -> Response:
        """Which types flow on which topics, in which versions, who publishes them, and which services react to them."""
        found = published()
        return json_response(
            {
                "since": iso_time_ms(min((seen.first_ms for seen in found.values()), default=None)),
                "full": len(found) >= most,
                "published": [_published(key, seen) for key, seen in sorted(found.items())],
                "readings": [_reading(key, seen) for key, seen in sorted(readings().items())],
                "rabbitmq": _routing(routing()),
            }
        )

    return [Route("/api/v1/catalog", catalog, methods=["GET"])]


def _published(key: PublishedKey, seen: Published) -> dict[str, Any]:
    return {
        "topic": key.topic,
        "type": key.type,
        "service": key.service,
        "version": key.version or None,
        "events": seen.events,
        "keyed": seen.keyed,
        "keyed_by_subject": seen.keyed_by_subject,
        "first_time": iso_time_ms(seen.first_ms),
        "last_time": iso_time_ms(seen.last_ms),
    }


def _routing(found: Routing | None) -> dict[str, Any] | None:
    if found is None:
        return None
    exchanges = None if found.exchanges is None else [_exchange(each) for each in found.exchanges]
    return {"protocol": found.protocol, "vhost": found.vhost, "exchanges": exchanges}


def _exchange(found: Exchange) -> dict[str, Any]:
    queues = [
        {"group": rabbitmq_name(name), "routing_keys": list(keys)} for name, keys in found.queues.items()
    ]
    return {
        "topic": rabbitmq_name(found.name),
        "type": found.type,
        "durable": found.durable,
        "auto_delete": found.auto_delete,
        "queues": queues,
    }


def _reading(key: ReadingKey, seen: Reading) -> dict[str, Any]:
    return {**key._asdict(), "events": seen.events, "last_time": iso_time_ms(seen.last_ms)}
