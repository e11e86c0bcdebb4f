"""Puts the service map together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.store.packs.learning import Learner
from flowtrail_collector.store.sql import Database
from flowtrail_collector.topology.exemplars import EdgeExemplars
from flowtrail_collector.topology.metrics import TopologyMetrics
from flowtrail_collector.topology.model import Reading, ReadingKey
from flowtrail_collector.topology.rates import EdgeRates
from flowtrail_collector.topology.sql import SqlTopology
from flowtrail_collector.topology.view import TopologyView
from flowtrail_collector.topology.web import Edges, topology_routes

__all__ = ["Topology", "wire"]


@dataclass(frozen=True, slots=True)
class Topology:
    """The service map, put together.

    Attributes:
        edges: Reads all edges.
        rates: How busy they are at present.
        view: Both, as API and console tell it.
        readings: Which service reacts to which type.
        learner: Learns all of it from events.
        wired: Parts, metrics and routes.
    """

    edges: Edges
    rates: EdgeRates
    view: TopologyView
    readings: Callable[[], Mapping[ReadingKey, Reading]]
    learner: Learner
    wired: Wired


def wire(database: Database) -> Topology:
    """Put it together."""
    exemplars = EdgeExemplars()
    store = SqlTopology(database, on_reactions=exemplars.reacted)
    rates = EdgeRates(store.edges)
    view = TopologyView(store.edges, rates=rates.rates, types=store.types, crossings=store.crossings)
    wired = Wired(
        parts=[rates],
        sources_for_all=[TopologyMetrics(store.edges, exemplar_of=exemplars.of)],
        routes=topology_routes(view),
    )
    return Topology(store.edges, rates, view, store.readings, store, wired)
