"""A service map of forty services with everything that makes one hard to draw, and its pages on a socket."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from starlette.routing import Route

from flowtrail_collector.console import GroupPages, MapPages, error_page
from flowtrail_collector.console._pages import static_file
from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.sagas.model.view import FlowRow, FlowStepRow
from flowtrail_collector.topology.lately import Crossing, TypePair
from flowtrail_collector.topology.model import Edge, EdgeKey, Reading
from flowtrail_collector.topology.rates import EdgeRate
from flowtrail_collector.topology.view import TopologyView
from flowtrail_collector.web.app import build_app
from trailkit.web import served

__all__ = ["FLOW", "FakeViews", "edge", "forty_services", "group", "letters_of", "map_site", "topology"]

FLOW = "order-fulfilment"
_STATUSES = ("ok", "ok", "ok", "behind", "stalled", "stopped", "losing")
_SAYS = {
    "behind": "is falling behind: it reads more slowly than its topics are written",
    "stalled": "has members but commits nothing",
    "stopped": "has no members",
    "losing": "lost records to retention before it read them",
}


def edge(events: int = 1, seconds: float = 0.2, last_ms: int = 0) -> Edge:
    """An edge over which the same thing went so often."""
    made = Edge()
    made.add([seconds] * min(events, 50), last_ms)
    made.events = events
    return made


def group(name: str, topics: Sequence[str], status: str | None = "ok", lag: int | None = 0) -> dict[str, Any]:
    """A group as the lag API answers it."""
    topic = {
        "status": status, "lag": lag, "lag_seconds": 1.5 if lag else 0.0, "catch_up_seconds": None, "catching_up": None,
        "consumed_per_second": 1.0, "produced_per_second": 2.0, "messages_lost": 0,
    }  # fmt: skip
    return {
        "group": name, "type": "classic", "status": status, "verdict": status, "says": _SAYS.get(status or ""),
        "age_seconds": None, "members": 0 if status == "stopped" else 2, "lag": lag, "lag_seconds": 1.5 if lag else 0.0,
        "catch_up_seconds": None, "catching_up": None, "messages_lost": 0,
        "topics": [{"topic": name_, **topic} for name_ in topics],
    }  # fmt: skip


def letters_of(name: str, pending: int, last_hour: int) -> CauseRow:
    """Dead letters of one group."""
    letter = DeadLetter("orders.dlq", 0, 0, 1, "c", "e", "s", "T", source_topic="orders", group=name)
    return CauseRow("cause", pending, 1, 2, last_hour, 0, letter)


def forty_services(
    seed: int = 7,
) -> tuple[dict[EdgeKey, Edge], dict[EdgeKey, EdgeRate], list[dict[str, Any]]]:
    """Edges, rates and groups: long names, both directions between two services, cycles, both brokers, odd letters."""
    chance = random.Random(seed)
    plain = [f"service-{number:02}" for number in range(34)]
    odd = [
        "com.example.shop.fulfillment.warehouse-allocation-service", "com.example.shop.fulfillment.warehouse-returns",
        "MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM", "Lagerbestandsführungssystem", "注文管理サービス", "a",
    ]  # fmt: skip
    services = [*plain, *odd]
    topics = {
        name: ("rabbitmq:" if number % 3 == 0 else "") + f"{name}.events.v{number % 2 + 1}"
        for number, name in enumerate(services)
    }
    pairs = [(services[i], services[(i + 1) % 40]) for i in range(40)]  # all in one cycle
    pairs += [(services[i], services[i - 1]) for i in range(1, 40, 4)]  # both directions
    pairs += [tuple(chance.sample(services, 2)) for _ in range(30)]  # type: ignore[misc]
    pairs += [("a", "a")]
    edges = {
        EdgeKey(a, topics[a], b): edge(chance.randrange(1, 10**6), chance.choice((0.004, 0.2, 40.0, 9_000.0)), 1_700_000_000_000)
        for a, b in pairs
    }  # fmt: skip
    rates = {
        key: EdgeRate(chance.choice((0.01, 1.0, 12345.6)), edge(3)) if chance.random() < 0.5 else EdgeRate(0.0, Edge())
        for key in edges
    }  # fmt: skip
    return edges, rates, _groups_of(edges, chance)


def _groups_of(edges: Iterable[EdgeKey], chance: random.Random) -> list[dict[str, Any]]:
    """Who reads: a group on Kafka, and for each exchange of RabbitMQ a queue."""
    read: dict[str, list[str]] = {}
    for key in edges:
        name = f"{key.topic}.{key.target}" if key.topic.startswith("rabbitmq:") else key.target
        read.setdefault(name, []).append(name if name != key.target else key.topic)
    return [
        group(name, topics, chance.choice(_STATUSES), chance.choice((0, 3, 1_234_567)))
        for name, topics in read.items()
    ]


def topology(edges: dict[EdgeKey, Edge], rates: dict[EdgeKey, EdgeRate] | None = None) -> TopologyView:
    """Edges over which one type led to another, the last of them known."""
    return TopologyView(
        lambda: edges,
        rates=lambda: rates or {},
        types=lambda: {
            key: {TypePair("OrderPlaced", "StockReserved"): Reading(edges[key].events, 0)} for key in edges
        },
        crossings=lambda keys: [
            Crossing(1_700_000_000_000, 0.25, "OrderPlaced", "StockReserved", "ord-1", "order-1")
        ],
    )


class FakeViews:
    """Lists with one flow, and dead letters of one group."""

    def __init__(self, letters: Sequence[CauseRow] = ()) -> None:
        self._letters = letters

    def list_flows(self) -> list[FlowRow]:
        """See `SagaLists`."""
        step = FlowStepRow("reserve", ("StockReserved",), (), (), "service-01", None)
        return [FlowRow(FLOW, ("OrderPlaced",), ("OrderShipped",), (), None, (step,), {})]

    def list_causes(self, selection: Any, now_ms: int, limit: int) -> list[CauseRow]:
        """See `DeadLetterLists`."""
        return list(self._letters)

    def stuck_causes(self) -> list[Any]:
        """See `SagaLists`."""
        return []


class _Lag:
    def __init__(self, groups: Sequence[dict[str, Any]]) -> None:
        self._groups = groups

    def overview(self) -> dict[str, Any]:
        return {"groups": self._groups, "failures": [], "collected_at": None}

    def detail(self, name: str) -> dict[str, Any] | None:
        found = next((each for each in self._groups if each["group"] == name), None)
        if found is None:
            return None
        partition = {
            "topic": "t",
            "partition": 0,
            "offset": 1,
            "end": 4,
            "lag": 3,
            "lag_seconds": 1.5,
            "status": "ok",
        }
        return {"collected_at": None, "groups": [{**found, "partitions": [partition]}], "failures": []}


@contextlib.contextmanager
def map_site(seed: int = 7) -> Iterator[str]:
    """Gives the base URL of the pages of a map of forty services."""
    edges, rates, groups = forty_services(seed)
    views = FakeViews([letters_of("service-03", 12, 2), letters_of("service-05", 1, 0)])
    pages = MapPages(topology(edges, rates), views, lambda: groups)  # type: ignore[arg-type]
    routes = [
        *pages.routes(),
        *GroupPages(_Lag(groups)).routes(),
        Route("/static/{name}", static_file, methods=["GET"]),
    ]
    app = build_app(routes, token=None, on_error=lambda part, error: None, error_page=error_page)
    with served(app) as url:
        yield url
