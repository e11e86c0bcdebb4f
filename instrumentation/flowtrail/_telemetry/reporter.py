"""What the reports on single messages need: a clock, a tracer, metrics, and what a topic's messages share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, TracerProvider
from prometheus_client import REGISTRY
from prometheus_client.registry import CollectorRegistry

from flowtrail._clock import Clock
from flowtrail._telemetry import attributes, definitions
from flowtrail._telemetry.errors import error_type_of
from flowtrail._telemetry.instruments import Families
from flowtrail._telemetry.logs import log_internal_error
from flowtrail._telemetry.providers import choose_meter_provider, choose_tracer_provider, sdk_disabled
from flowtrail._telemetry.registries import families_in
from flowtrail._telemetry.routes import ProcessRoute, SendRoute
from flowtrail._telemetry.spans import NoStarter, starter_for
from flowtrail._version import __version__

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"
_MAX_ROUTES = 2000

K = TypeVar("K", bound=tuple[Any, ...])
R = TypeVar("R", SendRoute, ProcessRoute)


class Reporter:
    """Where sending, handling, polling and committing report; see `Telemetry` for the arguments.

    Attributes:
        system: OpenTelemetry's `messaging.system`.
        time_ns: Wall clock, nanoseconds since the epoch.
        monotonic_ns: A clock that never goes back, nanoseconds.
        starter: Starts spans.
        tracing: Whether there is a tracer.
        metrics: All families.
    """

    def __init__(
        self,
        service: str,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        registry: CollectorRegistry | None,
        clock: Clock,
        links_only: bool,
        baggage_keys: Iterable[str],
        system: str = attributes.KAFKA,
    ) -> None:
        self.system = system
        self.clock = clock
        self.time_ns = clock.time_ns
        self.monotonic_ns = clock.monotonic_ns
        self.links_only = links_only
        self.baggage_keys = frozenset(baggage_keys)
        self._provider, self._owns_provider = choose_tracer_provider(
            service, tracer_provider, self._count_dropped_spans
        )
        self._provider_may_come = tracer_provider is None and isinstance(self._provider, NoOpTracerProvider)
        self._use_provider()
        meters = None if registry is not None else choose_meter_provider(meter_provider)
        if meters is not None:
            self.metrics = Families(meters.get_meter("flowtrail", __version__, SCHEMA_URL))
        else:
            self.metrics = families_in(registry if registry is not None else REGISTRY)
        self._send_routes: dict[tuple[str, str | None], SendRoute] = {}
        self._process_routes: dict[tuple[str, str | None, str | None], ProcessRoute] = {}

    def _use_provider(self) -> None:
        self.tracer = trace.get_tracer("flowtrail", __version__, self._provider, SCHEMA_URL)
        self.starter = starter_for(self.tracer)
        self.tracing = type(self.starter) is not NoStarter

    def _look_for_provider(self) -> None:
        """Programs often set up OpenTelemetry after they made their trail, but before the first message."""
        current = trace.get_tracer_provider()
        if self._provider_may_come and not isinstance(current, ProxyTracerProvider) and not sdk_disabled():
            self._provider, self._provider_may_come = current, False
            self._use_provider()

    def send_route(self, topic: str, client_id: str | None) -> SendRoute:
        """What is the same for all messages to a topic."""
        key = topic, client_id
        route = self._send_routes.get(key)
        return route if route is not None else self._keep(self._send_routes, key, SendRoute)

    def process_route(self, topic: str, group: str | None, client_id: str | None = None) -> ProcessRoute:
        """What is the same for all messages of a topic in a group."""
        key = topic, group, client_id
        route = self._process_routes.get(key)
        return route if route is not None else self._keep(self._process_routes, key, ProcessRoute)

    def _keep(self, routes: dict[K, R], key: K, make: Callable[..., R]) -> R:
        self._look_for_provider()
        if len(routes) >= _MAX_ROUTES:
            routes.clear()
        route = routes[key] = make(self.metrics, self.system, *key)
        return route

    # -- counting

    def count_retry(self, topic: str, group: str | None, mode: str = "blocking") -> None:
        """A further attempt was scheduled; mode is `blocking` or `topic`."""
        self.metrics[definitions.RETRIES].series(topic, group or "", mode).add()

    def count_timeout(self, topic: str, group: str | None, how: str) -> None:
        """A handler took too long; how is `cancelled` or `left_behind`."""
        self.metrics[definitions.TIMEOUTS].series(topic, group or "", how).add()

    def count_dead_letter(self, topic: str, group: str | None, error: BaseException | str) -> None:
        """A message of `topic` was given up."""
        self.metrics[definitions.DEAD_LETTERS].series(topic, group or "", error_type_of(error)).add()

    def count_duplicate(self, topic: str, group: str | None) -> None:
        """A message was recognised as already handled."""
        self.metrics[definitions.DUPLICATES].series(topic, group or "").add()

    def count_contract_violation(self, topic: str, type: str | None, side: str) -> None:
        """Data broke its contract; side is `publish` or `consume`."""
        self.metrics[definitions.CONTRACT_VIOLATIONS].series(topic, type or "", side).add()

    def count_schema_version(self, type: str, version: str | None, side: str) -> None:
        """An event of this contract version was published or consumed."""
        self.metrics[definitions.SCHEMA_VERSIONS].series(type, version or "", side).add()

    def count_deprecation(self, type: str, version: str, field: str, side: str) -> None:
        """An event uses a deprecated field, or (field empty) a deprecated version."""
        self.metrics[definitions.DEPRECATIONS].series(type, version, field, side).add()

    def count_dropped_header(self, reason: str) -> None:
        """A header had to be ignored."""
        self.metrics[definitions.DROPPED_HEADERS].series(reason).add()

    def _count_dropped_spans(self, reason: str, amount: int) -> None:
        self.metrics[definitions.DROPPED_SPANS].series(reason).add(amount)

    def internal_error(self, where: str, error: BaseException) -> None:
        """The instrumentation itself failed: count, log once per place, never raise in production."""
        self.metrics[definitions.INTERNAL_ERRORS].series(where).add()
        log_internal_error(where, error)

    # -- life cycle

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Export what is buffered; False if it didn't get out in time."""
        force_flush = getattr(self._provider, "force_flush", None)
        return bool(force_flush(int(timeout_seconds * 1000))) if callable(force_flush) else True

    def close(self) -> None:
        """Flush, and shut down a provider that this object built."""
        self.flush()
        shutdown = getattr(self._provider, "shutdown", None)
        if self._owns_provider and callable(shutdown):
            shutdown()
