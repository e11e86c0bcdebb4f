"""Running a collector, and checking whether one could run."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from flowtrail_collector.app import build_collector
from flowtrail_collector.brokers.kafka.wire import wire as kafka
from flowtrail_collector.brokers.rabbitmq.wire import wire as rabbitmq
from flowtrail_collector.errors import CollectorError, OtherClusterError
from flowtrail_collector.events.wire import mapper_of
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.settings import CollectorConfig
from flowtrail_collector.store.open import store_cluster
from flowtrail_collector.store.postgres.database import describe
from flowtrail_collector.web.server import WebServer, listen, url_of

__all__ = ["check_collector", "run_collector"]

_SWITCH_SECONDS = 0.0001
_GARBAGE_THRESHOLDS = (50_000, 20, 20)


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
        collector.check_cluster()
        collector.supervisor.start()
        server.run(on_ready=lambda: on_ready(url_of(listener, tls=config.web.tls is not None)))
    finally:
        listener.close()
        collector.close()


def check_collector(config: CollectorConfig) -> Iterator[tuple[str, str | None, int]]:
    """Check what running would need, without changing anything.

    Yields:
        What was checked, the problem or None, and the exit code that goes with it.
    """
    checks: list[tuple[str, Callable[[], object]]] = [
        ("flows", lambda: _check_flows(config)),
        ("store", lambda: store_cluster(config.store)),
        ("listen", lambda: listen(*config.web.address).close()),
    ]
    if config.kafka.bootstrap_servers:
        checks.append(("kafka", lambda: _check_kafka(config)))
    if config.rabbitmq.url:
        checks.append(("rabbitmq", rabbitmq(config.rabbitmq, config.kafka).check))
    for name, check in checks:
        try:
            check()
        except CollectorError as error:
            yield name, str(error), error.exit_code
        else:
            yield name, None, 0


def _check_flows(config: CollectorConfig) -> None:
    if config.flows is not None:
        mapper_of(load_flows(config.flows).mapping, config.schema_registry, config.flows)


def _check_kafka(config: CollectorConfig) -> None:
    cluster, known = kafka(config.kafka).check(), None
    with contextlib.suppress(CollectorError):  # said by the check of the store
        known = store_cluster(config.store)
    if cluster and known and cluster != known:
        name = config.store if isinstance(config.store, Path) else describe(config.store)
        raise OtherClusterError(str(name), known, cluster)


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
