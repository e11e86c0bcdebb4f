"""Running a collector, and checking whether one could run."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from flowtrail_collector.app import build_collector
from flowtrail_collector.brokers.kafka.wire import wire as kafka
from flowtrail_collector.brokers.rabbitmq.wire import wire as rabbitmq
from flowtrail_collector.errors import CollectorError, OtherClusterError, ServiceUnreachableError
from flowtrail_collector.events.wire import mapper_of
from flowtrail_collector.front.serving import serve_beside, start_beside
from flowtrail_collector.runtime.quick import keep_answers_quick
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.settings import CollectorConfig
from flowtrail_collector.speedups import is_installed, speedups
from flowtrail_collector.store.open import store_cluster
from flowtrail_collector.store.postgres.database import describe
from flowtrail_collector.web.access.ports import ProviderUnreachableError
from flowtrail_collector.web.access.wire import LoginSettings, check_provider
from flowtrail_collector.web.server import WebServer, listen, url_of

logger = logging.getLogger("flowtrail_collector")

__all__ = ["check_collector", "run_collector"]

# The reading process of a collector that was killed lets go of the address as soon as it notices.
_PATIENCE_SECONDS = 1.0


def run_collector(config: CollectorConfig, *, on_ready: Callable[[str], None]) -> None:
    """Collect until SIGTERM or SIGINT.

    Args:
        config: Valid settings.
        on_ready: Called with the base URL once the address is taken and everything is started.

    Raises:
        CollectorError: It can't start; nothing was started.
    """
    host, port = config.web.address
    _ask_provider(config)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(listen(host, port, _PATIENCE_SECONDS)))
        beside = start_beside(listener, stack) if config.web.processes == "2" else None
        collector = build_collector(config)
        stack.callback(collector.close)
        keep_answers_quick()
        collector.check_cluster()
        collector.supervisor.start()

        def ready() -> None:
            on_ready(url_of(listener, tls=config.web.tls is not None))

        if beside is None:
            WebServer(collector.app, listener, config.web.tls).run(on_ready=ready)
        else:
            serve_beside(config, collector, beside, on_ready=ready)


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
    if config.speedups == "required" or (config.speedups == "auto" and is_installed()):
        checks.append(("speedups", lambda: speedups("required")))
    if (login := config.web.login) is not None:
        checks.append(("oidc", lambda: _check_provider(login)))
    for name, check in checks:
        try:
            check()
        except CollectorError as error:
            goes_on = name == "speedups" and config.speedups == "auto"
            yield name, str(error), 0 if goes_on else error.exit_code
        else:
            yield name, None, 0


def _ask_provider(config: CollectorConfig) -> None:
    """A provider that can't be reached keeps people out, and nothing else; another one than was named ends it."""
    if config.web.login is not None:
        try:
            check_provider(config.web.login)
        except ProviderUnreachableError as error:
            logger.warning(
                "the OIDC provider doesn't answer, so nobody can log in until it does; all else goes on: %s",
                error,
            )


def _check_provider(login: LoginSettings) -> None:
    try:
        check_provider(login)
    except ProviderUnreachableError as error:
        raise ServiceUnreachableError(f"the OIDC provider doesn't answer: {error}") from None


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
