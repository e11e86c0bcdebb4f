"""Puts the collector together: what each slice brings along, in one screen."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from flowtrail_collector.brokers.ports import Broker, ToRead
from flowtrail_collector.brokers.wire import wire as wire_brokers
from flowtrail_collector.catalog.wire import wire as wire_catalog
from flowtrail_collector.console import TroublePages, error_page, not_sent_form
from flowtrail_collector.console.wire import reading_routes
from flowtrail_collector.console.wire import wire as wire_console
from flowtrail_collector.dead_letters.wire import DeadLetters
from flowtrail_collector.dead_letters.wire import wire as wire_dead_letters
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.events.identity import hashes_by
from flowtrail_collector.events.mapper import Mapper
from flowtrail_collector.events.reading import plain_reader
from flowtrail_collector.events.web import TopicList
from flowtrail_collector.events.wire import contracts_of, mapper_of
from flowtrail_collector.events.wire import wire as wire_events
from flowtrail_collector.history.wire import Kept
from flowtrail_collector.history.wire import wire as wire_history
from flowtrail_collector.ingest.ports import Store, Tail
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.keeping.wire import wire as wire_keeping
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.lag.wire import Lag
from flowtrail_collector.lag.wire import wire as wire_lag
from flowtrail_collector.metrics.exposition import Exposition, LeaderOnly, MetricSource
from flowtrail_collector.metrics.otlp import headers_of
from flowtrail_collector.metrics.push import OtlpMetricsPush
from flowtrail_collector.oncall.sql import SqlTroubles
from flowtrail_collector.oncall.wire import wire as wire_oncall
from flowtrail_collector.readers.wire import wire as wire_readers
from flowtrail_collector.runtime.leadership import Leadership, while_leading
from flowtrail_collector.runtime.metrics import CollectorMetrics, StoreFigures
from flowtrail_collector.runtime.retention import RetentionKeeper
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.runtime.status import status_of
from flowtrail_collector.runtime.supervisor import Part, Supervisor
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.intake import intake_by
from flowtrail_collector.sagas.sql.blobs import blobs_by
from flowtrail_collector.sagas.wire import wire as wire_sagas
from flowtrail_collector.settings import CollectorConfig, PushConfig, WebConfig
from flowtrail_collector.spans.queue import SpanQueue
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.spans.wire import wire as wire_spans
from flowtrail_collector.speedups import speedups
from flowtrail_collector.store.open import open_store
from flowtrail_collector.store.packs.writing import packing
from flowtrail_collector.store.sql import Database
from flowtrail_collector.topology.wire import Topology
from flowtrail_collector.topology.wire import wire as wire_topology
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.trails.wire import wire as wire_trails
from flowtrail_collector.web.access.wire import wire as wire_login
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.health import health_routes
from flowtrail_collector.web.metrics import metrics_routes
from flowtrail_collector.web.prefix import checked_prefix, proxies_of

if TYPE_CHECKING:
    from flowtrail_collector.web.access.login import Login

__all__ = ["Collector", "build_collector"]

logger = logging.getLogger("flowtrail_collector")

_CLUSTER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Collector:
    """A collector whose parts are put together and not started yet.

    Attributes:
        app: Answers requests.
        supervisor: Runs the parts.
        flows: What the flow file says.
        lag: The last collection of lag.
        status: Figures about it for people.
        on_error: Told of what fails, and counts it.
    """

    app: ASGIApp
    supervisor: Supervisor
    flows: Flows
    database: Database
    routes: Sequence[BaseRoute]
    exposition: Exposition
    broker: Broker
    store: Store
    lag: LagView
    status: Callable[[], Mapping[str, Any]]
    on_error: Callable[[str, Exception], None]

    def check_cluster(self) -> None:
        """Refuse to go on if the store belongs to another cluster than the one that answers.

        If none answers within two seconds, whatever reads from one later checks it.

        Raises:
            OtherClusterError: It does.
            StoreError: The store can't be asked.
        """
        with contextlib.suppress(ServiceUnreachableError):
            self.store.belong_to(self.broker.check(_CLUSTER_SECONDS))

    def close(self) -> None:
        """Stop the parts, then close the store."""
        for name in self.supervisor.stop():
            # Most likely it waits for a broker. Closing the store waits for a transaction under way.
            logger.info("%s didn't stop in time", name)
        self.database.close()


def build_collector(config: CollectorConfig) -> Collector:
    """Put a collector together.

    Raises:
        ConfigurationError: Settings or flow file can't be used.
        StoreError: The store can't be opened or written.
    """
    broker: Broker = wire_brokers(config)
    flows, mapper = _flows(config)
    opened = open_store(config.store)
    compiled = speedups(config.speedups)
    database, store = opened.database, store_on(opened.database, packing(compiled), blobs_by(compiled))
    leadership = Leadership(opened.lease) if opened.lease is not None else None
    ingest = Ingest(
        store, flows, mapper=mapper, read_plain=plain_reader(compiled), hashes=hashes_by(compiled),
        intake=intake_by(compiled),
    )  # fmt: skip
    lag = wire_lag(broker.lag_source, broker.prober(), config.lag)
    reads = TrailReads(database, flows)
    tails = broker.tails(ToRead(ingest, store, lag.timestamps, reads, opened.group, compiled))
    readers, topology = wire_readers(database), wire_topology(database)
    spans = wire_spans(config.spans, database, readers.note)
    letters = _letters(config, broker, database, store, reads, tails)
    sagas = wire_sagas(config, flows, store, database, reads, reads.events_of_instances, lag)
    topics = TopicList(reads.topics_read, flows.mapping, broker.holds_dead_letters)
    trails = wire_trails(reads, spans.store, flows, lag.view.progress, broker.holds_dead_letters)
    about = _about(store, leadership, ingest, tails)
    oncall = wire_oncall(lag.view, reads, lambda: supervisor.conditions(), SqlTroubles(database))  # noqa: PLW0108 - that comes last
    history = _history(config, database, store, reads, lag, topology, tails)
    retention = _retention(config, flows, database, spans.store, store, history)
    slices = [
        _reading(broker, tails, retention, about), oncall.wired, sagas, letters.wired,
        wire_events(flows.mapping, store, reads.topics_read, topics), lag.wired, topology.wired,
        wire_catalog(database, topology, broker.routing), spans.wired, readers.wired, trails.wired, history.wired,
    ]  # fmt: skip
    exposition = Exposition(_sources(slices, leadership), on_error=about.failed)
    supervisor = Supervisor(_parts(slices, leadership, config.push, exposition), on_error=about.failed)
    status = status_of(_facts(config, compiled), database.size_bytes, spans.queue)
    access, login = config.web.access, wire_login(config.web.login, about.failed)
    reading = reading_routes(
        config.web, access, login, finder=trails.finder, views=reads, lag=lag.view, topology=topology, topics=topics, status=status,
        history=history.view, conditions=supervisor.conditions, pulse=_pulse(database, spans.queue, lag.view),
    )  # fmt: skip
    trouble = TroublePages(reads, lag.view.progress, oncall.oncall)
    pages = wire_console(config.web, access, letters, trouble, reading)
    own = Wired(routes=[*metrics_routes(exposition), *health_routes(supervisor.conditions, status)])
    routes = [route for wired in (own, *slices, pages) for route in wired.routes]
    app = _app(routes, login, about, config.web)
    return Collector(
        app, supervisor, flows, database, routes, exposition, broker, store, lag.view, status, about.failed
    )


def _flows(config: CollectorConfig) -> tuple[Flows, Mapper]:
    flows = load_flows(config.flows) if config.flows is not None else Flows()
    return flows, mapper_of(flows.mapping, config.schema_registry, config.flows)


def _letters(
    config: CollectorConfig,
    broker: Broker,
    database: Database,
    store: Store,
    reads: TrailReads,
    tails: Sequence[Tail],
) -> DeadLetters:
    return wire_dead_letters(
        database,
        partial(broker.mover, store.belong_to),
        lists=reads,
        figures=store,
        depths=_depths_of(tails),
        contracts=contracts_of(config.schema_registry) if config.web.show_payloads else None,
    )


def _history(
    config: CollectorConfig, database: Database, store: Store, reads: TrailReads, lag: Lag, topology: Topology,
    tails: Sequence[Tail],
) -> Kept:  # fmt: skip
    return wire_history(
        database,
        lag=lag.view,
        lag_interval_seconds=config.lag.interval_seconds,
        counters=store,
        edges=topology.edges,
        letters=reads,
        is_read=lambda: all(tail.problem is None for tail in tails),
    )


def _retention(
    config: CollectorConfig, flows: Flows, database: Database, spans: SqlSpans, store: Store, history: Kept
) -> RetentionKeeper:
    return wire_keeping(config.retention, flows, database, spans, store.watermark_ms, history=history.keeper)


def _facts(config: CollectorConfig, compiled: ModuleType | None) -> dict[str, str]:
    return {
        "bootstrap_servers": config.kafka.bootstrap_servers,
        "rabbitmq": config.rabbitmq.shown,
        "speedups": "" if compiled is None else compiled.__version__,
    }


def _pulse(database: Database, spans: SpanQueue, lag: LagView) -> Callable[[], object]:
    return lambda: (database.newest_event_row(), spans.received_spans, lag.collected_at)


def _reading(broker: Broker, tails: Sequence[Tail], retention: Part, about: MetricSource) -> Wired:
    return Wired(
        sources=[about],
        parts=[tail for tail in tails if tail.is_shared],
        parts_for_all=[*(tail for tail in tails if not tail.is_shared), retention],
        sources_for_all=broker.sources(),
    )


def _about(
    store: StoreFigures, leadership: Leadership | None, ingest: Ingest, tails: Sequence[Tail]
) -> CollectorMetrics:
    if leadership is None:
        return CollectorMetrics(store)
    return CollectorMetrics(
        store,
        taken=ingest.taken,
        partitions=lambda: sum(tail.partitions for tail in tails),
        leading=leadership.leading,
    )


def _depths_of(tails: Sequence[Tail]) -> Callable[[], Mapping[str, int]]:
    return lambda: {topic: depth for tail in tails for topic, depth in tail.dead_letter_depths().items()}


def _sources(slices: Sequence[Wired], leadership: Leadership | None) -> list[MetricSource]:
    found: list[MetricSource] = []
    for wired in slices:
        for source in wired.sources_for_all:
            found.append(source if leadership is None else LeaderOnly(source, leadership.leading))
        found += wired.sources
    return found


def _parts(
    slices: Sequence[Wired], leadership: Leadership | None, push: PushConfig, exposition: Exposition
) -> list[Part]:
    found: list[Part] = [] if leadership is None else [leadership]
    for wired in slices:
        found += wired.parts
        for part in wired.parts_for_all:
            found.append(part if leadership is None else while_leading(part, leadership.leading))
    return [*found, *_metrics_push(push, exposition)]


def _metrics_push(config: PushConfig, exposition: Exposition) -> list[Part]:
    if not config.endpoint:
        return []
    return [
        OtlpMetricsPush(
            config.endpoint,
            lambda: exposition.page().chunks(),
            interval_seconds=config.interval_seconds,
            headers=headers_of(os.environ),
        )
    ]


def _app(
    routes: Sequence[BaseRoute], login: Login | None, about: CollectorMetrics, web: WebConfig
) -> ASGIApp:
    access = web.access
    return build_app(
        routes,
        token=access.token,
        write_token=access.write_token,
        local=access.local,
        payload_token=access.payload_token,
        people=login,
        on_error=about.failed,
        error_page=error_page,
        not_sent=not_sent_form,
        root_path=checked_prefix(web.root_path),
        trusted_proxies=proxies_of(web.trusted_proxies),
    )
