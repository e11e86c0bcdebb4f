"""What the catalog asks of a broker that routes: RabbitMQ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Exchange", "Routing", "RoutingSource"]


class Exchange(NamedTuple):
    """An exchange, as its server calls it.

    Attributes:
        name: Its name.
        type: `topic`, `direct`, `fanout`, `headers`, or a plug-in's.
        durable: Whether it outlives the server.
        auto_delete: Whether it goes with its last binding.
        queues: Those that get what it routes, also through other exchanges, each with the routing keys of the
            bindings that lead from here to it.
    """

    name: str
    type: str
    durable: bool
    auto_delete: bool
    queues: Mapping[str, Sequence[str]]


class Routing(NamedTuple):
    """How a virtual host routes.

    Attributes:
        protocol: `amqp` or `amqps`.
        vhost: Its name.
        exchanges: Those that are followed; None while the server doesn't tell.
    """

    protocol: str
    vhost: str
    exchanges: Sequence[Exchange] | None


RoutingSource = Callable[[], Routing | None]
"""Asks the server each time; None where there is none that routes."""
