"""Puts sagas together."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.lag.wire import Lag
from flowtrail_collector.metrics.otlp import headers_of
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.sagas.difference_web import difference_routes
from flowtrail_collector.sagas.exemplars import SagaExemplars
from flowtrail_collector.sagas.learning.sql import SqlInstances
from flowtrail_collector.sagas.learning.web import learning_routes
from flowtrail_collector.sagas.metrics import SagaMetrics
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.ports import SagaStore
from flowtrail_collector.sagas.sql.pages import SlowAnswer
from flowtrail_collector.sagas.sql.reads import SagaReads
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.sagas.traces import OtlpSagaTraces
from flowtrail_collector.sagas.web import saga_routes
from flowtrail_collector.settings import CollectorConfig
from flowtrail_collector.store.sql import Database

__all__ = ["wire"]

EventsOf = Callable[[Sequence[str], int], list[StoredEvent]]
"""The events of instances by their keys, at most so many."""


def wire(
    config: CollectorConfig,
    flows: Flows,
    store: SagaStore,
    database: Database,
    reads: SagaReads,
    events_of: EventsOf,
    lag: Lag,
) -> Wired:
    """Put them together, and note in the store what they follow from now on.

    Args:
        config: How often to sweep, and where ended instances are sent to as traces.
        flows: What to follow.
        store: Where instances are.
        database: Where learning finds events.
        reads: Lists instances.
        events_of: Finds the events of instances.
        lag: Tells how consumer groups are.
    """
    store.follow({flow.name: flow.followed for flow in flows.by_name.values()})
    store.begin_rules({flow.name: flow.rules for flow in flows.by_name.values()})
    exemplars = SagaExemplars(flows, events_of)
    traces: list[OtlpSagaTraces] = []
    if endpoint := config.spans.saga_traces_endpoint:
        headers = headers_of(os.environ, "TRACES")
        traces.append(OtlpSagaTraces(endpoint, flows, events_of, headers=headers))

    def on_ended(sagas: Sequence[SagaRecord]) -> None:
        exemplars.ended(sagas)
        for part in traces:
            part.ended(sagas)

    metrics = SagaMetrics(
        store,
        flows,
        lag.view.progress,
        owner_of=reads.owner_of,
        exemplar_of=exemplars.of,
        step_exemplar_of=exemplars.of_step,
        predicted=SlowAnswer(reads.predicted),
    )
    return Wired(
        parts=traces,
        parts_for_all=[
            Sweeper(store, flows, interval_seconds=config.sweep_interval_seconds, on_ended=on_ended)
        ],
        sources_for_all=[metrics],
        routes=[
            *saga_routes(reads, lag.view.progress),
            *difference_routes(store),
            *learning_routes(SqlInstances(database), lag.view.group_names),
        ],
    )
