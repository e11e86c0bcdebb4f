"""What the reports on single messages need: a clock, a tracer, metrics, and what a topic's messages share."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, TracerProvider
from prometheus_client import REGISTRY
from prometheus_client.registry import CollectorRegistry

from flowtrail._clock import Clock
from flowtrail._telemetry.counters import Counters
from flowtrail._telemetry.instruments import Families, families_in
from flowtrail._telemetry.providers import choose_meter_provider, choose_tracer_provider, sdk_disabled
from flowtrail._telemetry.routes import ProcessRoute, SendRoute
from flowtrail._telemetry.spans import NoStarter, starter_for
from flowtrail._version import __version__

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"
_MAX_ROUTES = 2000


class Reporter(Counters):
    """Where sending, handling, polling and committing report; see `Telemetry` for the arguments.

    Attributes:
        time_ns: Wall clock, nanoseconds since the epoch.
        monotonic_ns: A clock that never goes back, nanoseconds.
        starter: Starts spans.
        tracing: Whether there is a tracer.
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
    ) -> None:
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
        route = self._send_routes.get((topic, client_id))
        if route is not None:
            return route
        self._look_for_provider()
        if len(self._send_routes) >= _MAX_ROUTES:
            self._send_routes.clear()
        route = self._send_routes[topic, client_id] = SendRoute(self.metrics, topic, client_id)
        return route

    def process_route(self, topic: str, group: str | None, client_id: str | None = None) -> ProcessRoute:
        """What is the same for all messages of a topic in a group."""
        route = self._process_routes.get((topic, group, client_id))
        if route is not None:
            return route
        self._look_for_provider()
        if len(self._process_routes) >= _MAX_ROUTES:
            self._process_routes.clear()
        route = ProcessRoute(self.metrics, topic, group, client_id)
        self._process_routes[topic, group, client_id] = route
        return route

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
