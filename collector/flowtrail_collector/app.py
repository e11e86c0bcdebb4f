"""Wires the collector: the one place that knows every part."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from flowtrail._version import __version__
from flowtrail_collector.brokers.kafka.connection import KafkaConnection, check_reachable, read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.brokers.kafka.mover import KafkaRecordMover
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.console import Console, DeadLetterPages, Links, error_page
from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.metrics import DeadLetterMetrics
from flowtrail_collector.dead_letters.redrive_metrics import RedriveMetrics
from flowtrail_collector.dead_letters.redrive_web import redrive_routes
from flowtrail_collector.dead_letters.redriver import Redriver
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.web import dead_letter_routes
from flowtrail_collector.errors import CollectorError, ConfigurationError, StoreError
from flowtrail_collector.events.mapper import Mapper
from flowtrail_collector.events.metrics import MappingMetrics
from flowtrail_collector.events.registry import SchemaRegistry
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.lag import LagPoller, LagSettings, TimestampLog
from flowtrail_collector.lag.web import lag_routes
from flowtrail_collector.metrics.exposition import Exposition, LeaderOnly, MetricSource
from flowtrail_collector.metrics.push import OtlpMetricsPush, headers_of
from flowtrail_collector.runtime.leadership import Leadership, while_leading
from flowtrail_collector.runtime.metrics import CollectorMetrics
from flowtrail_collector.runtime.retention import RetentionKeeper
from flowtrail_collector.runtime.supervisor import Part, Supervisor
from flowtrail_collector.sagas.exemplars import SagaExemplars
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.learning.sql import SqlInstances
from flowtrail_collector.sagas.learning.web import learning_routes
from flowtrail_collector.sagas.metrics import SagaMetrics
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.sagas.traces import OtlpSagaTraces
from flowtrail_collector.sagas.web import saga_routes
from flowtrail_collector.settings import CollectorConfig, is_loopback, parse_duration
from flowtrail_collector.spans.jaeger import jaeger_routes
from flowtrail_collector.spans.metrics import SpanMetrics
from flowtrail_collector.spans.queue import SpanQueue
from flowtrail_collector.spans.receiver import otlp_routes
from flowtrail_collector.spans.sql.search import SqlSpanSearch
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.open import check_store, open_store
from flowtrail_collector.store.pruner import SqlPruner
from flowtrail_collector.store.sql import Database
from flowtrail_collector.topology.exemplars import EdgeExemplars
from flowtrail_collector.topology.keeper import TopologyKeeper
from flowtrail_collector.topology.metrics import TopologyMetrics
from flowtrail_collector.topology.rates import EdgeRates
from flowtrail_collector.topology.sql import SqlTopology
from flowtrail_collector.topology.web import topology_routes
from flowtrail_collector.trails.finder import FlowTypes, TrailFinder
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.trails.web import trail_routes
from flowtrail_collector.web.app import build_app
from flowtrail_collector.web.health import health_routes
from flowtrail_collector.web.metrics import metrics_routes
from flowtrail_collector.web.security import Access, FormTokens
from flowtrail_collector.web.server import WebServer, listen, url_of

logger = logging.getLogger("flowtrail_collector")

_SWITCH_SECONDS = 0.0001
_GARBAGE_THRESHOLDS = (50_000, 20, 20)


@dataclass(frozen=True, slots=True)
class Collector:
    """A collector whose parts are put together and not started yet."""

    app: ASGIApp
    supervisor: Supervisor
    database: Database
    routes: Sequence[BaseRoute]
    exposition: Exposition

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
    connection = _connection(config)
    flows = load_flows(config.flows) if config.flows is not None else Flows()
    opened = open_store(config.store)
    database, store = opened.database, store_on(opened.database)
    ingest = Ingest(store, flows, mapper=_mapper(config, flows))
    leadership = Leadership(opened.lease) if opened.lease is not None else None
    leading = leadership.leading if leadership is not None else lambda: True
    timestamps = TimestampLog()
    tail = KafkaTail(
        connection,
        ingest,
        store,
        topics=config.kafka.topics,
        dead_letter_topics=config.kafka.dead_letter_topics,
        start=_start(config.kafka.start),
        timestamps=timestamps,
        group=opened.group,
    )
    figures = (
        CollectorMetrics(store)
        if leadership is None
        else CollectorMetrics(store, taken=ingest.taken, partitions=lambda: tail.partitions, leading=leading)
    )
    lag = LagPoller(
        KafkaLagSource(connection),
        _lag_settings(config),
        prober=KafkaRecordProber(connection),
        timestamps=timestamps,
    )
    spans = SqlSpans(database)
    queue = SpanQueue(
        spans,
        max_spans=config.spans.queue_spans,
        retention_seconds=config.spans.retention_seconds,
        keep_at_most=config.spans.max_spans,
    )
    edge_exemplars = EdgeExemplars()
    topology = SqlTopology(database, on_reactions=edge_exemplars.reacted)
    reads = TrailReads(database, flows)
    exemplars = SagaExemplars(flows, reads.events_of_instances)
    saga_traces = _saga_traces(config, flows, reads)

    def on_ended(sagas: Sequence[SagaRecord]) -> None:
        exemplars.ended(sagas)
        for part in saga_traces:
            part.ended(sagas)

    sweeper = Sweeper(store, flows, interval_seconds=config.sweep_interval_seconds, on_ended=on_ended)

    def on_error(part: str, error: Exception) -> None:
        figures.count_error(part)

    retention = RetentionKeeper(
        SqlPruner(database),
        spans,
        events_seconds=config.retention.events_seconds,
        sagas_seconds=config.retention.sagas_seconds,
        max_bytes=config.retention.max_bytes,
    )
    # What one worker does for all. Lag is read by each, so that each can show it.
    redrives = SqlRedrive(database)
    redriver = Redriver(redrives, KafkaRecordMover(connection))
    desk = RedriveDesk(redrives, KafkaRecordMover(connection), on_job=redriver.wake)
    for_all = [
        while_leading(part, leading) for part in (sweeper, TopologyKeeper(topology), retention, redriver)
    ]
    rates = EdgeRates(topology.edges)
    parts: list[Part] = [queue, tail, *for_all, lag, rates, *saga_traces]
    finder = TrailFinder(
        reads,
        spans,
        FlowTypes(flows.compensating, flows.types, flows.by_other_ids),
        progress_of=lag.view.progress,
    )
    saga_metrics = SagaMetrics(
        store,
        flows,
        lag.view.progress,
        owner_of=reads.owner_of,
        exemplar_of=exemplars.of,
        step_exemplar_of=exemplars.of_step,
    )
    of_all: list[MetricSource] = [
        saga_metrics,
        DeadLetterMetrics(store, tail.dead_letter_depths),
        RedriveMetrics(redrives),
        MappingMetrics(store, flows.mapping),
        lag.metrics,
        TopologyMetrics(topology.edges, exemplar_of=edge_exemplars.of),
    ]
    if leadership is not None:
        of_all = [LeaderOnly(source, leading) for source in of_all]
    sources: list[MetricSource] = [*of_all, SpanMetrics(queue), figures]
    exposition = Exposition(sources, on_error=on_error)
    parts += _metrics_push(config, exposition)
    supervisor = Supervisor([leadership, *parts] if leadership else parts, on_error=on_error)
    status = _status(config, database, queue)
    access = Access(config.web.token, config.web.write_token, is_loopback(config.web.address[0]))
    routes: list[BaseRoute] = [
        *metrics_routes(exposition),
        *health_routes(supervisor.problems, status),
        *otlp_routes(queue, max_body_bytes=config.spans.max_body_bytes),
        *trail_routes(finder),
        *saga_routes(reads, lag.view.progress),
        *learning_routes(SqlInstances(database), lambda: _group_names(lag)),
        *redrive_routes(desk, lambda: redriver.problem),
        *dead_letter_routes(reads),
        *lag_routes(lag.view),
        *topology_routes(topology.edges),
        *jaeger_routes(spans, SqlSpanSearch(database)),
        *DeadLetterPages(
            reads,
            desk,
            FormTokens(config.web.write_token),
            writable=access.is_writable,
            problem=lambda: redriver.problem,
        ).routes(),
        *Console(
            finder,
            reads,
            lag.view,
            supervisor.problems,
            edges=topology.edges,
            progress_of=lag.view.progress,
            links=Links(config.web.trace_link, config.web.grafana_link),
            rates=rates.rates,
            status=status,
            pulse=lambda: (database.newest_event_row(), queue.received_spans, lag.view.collected_at),
        ).routes(),
    ]
    app = build_app(
        routes,
        token=access.token,
        write_token=access.write_token,
        local=access.local,
        on_error=on_error,
        error_page=error_page,
    )
    return Collector(app, supervisor, database, routes, exposition)


def run_collector(config: CollectorConfig, *, on_ready: Callable[[str], None]) -> None:
    """Collect until SIGTERM or SIGINT.

    Args:
        config: Valid settings.
        on_ready: Called with the base URL once the address is taken and everything is started.

    Raises:
        CollectorError: It can't start; nothing was started.
    """
    host, port = config.web.address
    listener = listen(host, port)
    try:
        collector = build_collector(config)
    except BaseException:
        listener.close()
        raise
    server = WebServer(collector.app, listener, config.web.tls)
    _keep_answers_quick()
    try:
        collector.supervisor.start()
        server.run(on_ready=lambda: on_ready(url_of(listener, tls=config.web.tls is not None)))
    finally:
        listener.close()
        collector.close()


def _keep_answers_quick() -> None:
    """Reading events takes nearly all of the interpreter's time; pages and trails come in between.

    They ask SQLite for many rows and wait at each for the interpreter's lock: with Python's own 5 ms a trail of
    5 ms takes 50. What has been loaded so far stays for good, so looking through it for garbage every second,
    which takes 80 ms, finds nothing; and a portion of events, which is no garbage either, is gone before
    Python's own thresholds would be right to suspect it.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)


def check_collector(config: CollectorConfig) -> Iterator[tuple[str, str | None, int]]:
    """Check what running would need, without changing anything.

    Yields:
        What was checked, the problem or None, and the exit code that goes with it.
    """
    checks: list[tuple[str, Callable[[], object]]] = [
        ("flows", lambda: _mapper(config, load_flows(config.flows)) if config.flows is not None else None),
        ("store", lambda: check_store(config.store)),
        ("listen", lambda: listen(*config.web.address).close()),
        ("kafka", lambda: check_reachable(_connection(config))),
    ]
    for name, check in checks:
        try:
            check()
        except CollectorError as error:
            yield name, str(error), error.exit_code
        else:
            yield name, None, 0


def _connection(config: CollectorConfig) -> KafkaConnection:
    return read_connection(config.kafka.bootstrap_servers, properties_file=config.kafka.consumer_config)


def _group_names(lag: LagPoller) -> list[str] | None:
    if lag.view.collected_at is None:
        return None
    return [reading.group for reading in lag.view.readings]


def _mapper(config: CollectorConfig, flows: Flows) -> Mapper:
    if config.schema_registry:
        return Mapper(flows.mapping, SchemaRegistry(config.schema_registry).schema)
    if flows.mapping.asks_registry:
        raise ConfigurationError(f"{config.flows} maps by schema: say with --schema-registry where to ask")
    return Mapper(flows.mapping)


def _start(text: str) -> Any:
    return text if text in ("earliest", "latest") else parse_duration(text)


def _lag_settings(config: CollectorConfig) -> LagSettings:
    return LagSettings(
        interval_seconds=config.lag_interval_seconds,
        compat=config.compat,
        groups=config.lag.groups,
        topics=config.lag.topics,
        read_committed=config.lag.read_committed,
        granularity=config.lag.granularity,
        window_seconds=config.lag.window_seconds,
        probes=config.lag.probes,
    )


def _saga_traces(config: CollectorConfig, flows: Flows, reads: TrailReads) -> list[OtlpSagaTraces]:
    if not config.spans.saga_traces_endpoint:
        return []
    headers = headers_of(os.environ, "TRACES")
    return [
        OtlpSagaTraces(config.spans.saga_traces_endpoint, flows, reads.events_of_instances, headers=headers)
    ]


def _metrics_push(config: CollectorConfig, exposition: Exposition) -> list[Part]:
    if not config.lag.otlp_endpoint:
        return []
    return [
        OtlpMetricsPush(
            config.lag.otlp_endpoint,
            lambda: exposition.page().chunks(),
            interval_seconds=config.lag.otlp_interval_seconds,
            headers=headers_of(os.environ),
        )
    ]


def _status(config: CollectorConfig, database: Database, queue: SpanQueue) -> Callable[[], dict[str, Any]]:
    started = time.time()

    def status() -> dict[str, Any]:
        with contextlib.suppress(OSError, StoreError):
            return {
                "version": __version__,
                "uptime_seconds": round(time.time() - started, 1),
                "store_bytes": database.size_bytes(),
                "bootstrap_servers": config.kafka.bootstrap_servers,
                "spans_received": queue.received_spans,
                "spans_waiting": queue.pending_spans,
                "spans_refused": queue.refused_spans,
                "spans_rejected": queue.rejected_spans,
            }
        return {"version": __version__}

    return status
