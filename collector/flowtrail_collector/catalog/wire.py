"""Puts the catalog together."""

from __future__ import annotations

from flowtrail_collector.catalog.ports import RoutingSource
from flowtrail_collector.catalog.sql import MOST, SqlCatalog
from flowtrail_collector.catalog.web import catalog_routes
from flowtrail_collector.runtime.keeper import Keeper
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.store.sql import Database
from flowtrail_collector.topology.wire import Topology

__all__ = ["wire"]


def wire(database: Database, topology: Topology, routing: RoutingSource) -> Wired:
    """Put it together.

    Args:
        database: Of the collector.
        topology: Knows who reacts to which type; learns together with the catalog, which looks at the same events.
        routing: How RabbitMQ routes.
    """
    store = SqlCatalog(database)
    return Wired(
        parts_for_all=[Keeper("topology and catalog", Learning(database, [topology.learner, store]).learn)],
        routes=catalog_routes(store.published, topology.readings, routing, most=MOST),
    )
