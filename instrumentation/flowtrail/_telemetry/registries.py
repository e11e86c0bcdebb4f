"""Our metrics in a Prometheus registry, beside whatever else is in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from prometheus_client import Counter, Histogram, values
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.registry import Collector, CollectorRegistry

from flowtrail import _fork
from flowtrail._telemetry.definitions import METRICS, Metric
from flowtrail._telemetry.instruments import Families

_LOG = logging.getLogger("flowtrail")
_BY_REGISTRY: WeakKeyDictionary[CollectorRegistry, Families] = WeakKeyDictionary()
_BY_REGISTRY_LOCK = threading.Lock()
_fork.always_in_child(lambda: _fork.free(_BY_REGISTRY_LOCK))


def families_in(registry: CollectorRegistry) -> Families:
    """The families of a Prometheus registry: several trails in one process share them.

    A metric whose name somebody else has in the registry stays out of it, and a line in the log says so: a
    page with one name twice can't be scraped, and a program must not fail for its telemetry.
    """
    with _BY_REGISTRY_LOCK:
        families = _BY_REGISTRY.get(registry)
        if families is None:
            taken = frozenset(metric for metric in METRICS if _is_taken(registry, metric))
            families = _shared_by_processes(registry, taken) if _multiprocess() else Families()
            families.hidden = taken
            if not _multiprocess():
                registry.register(families)
            _BY_REGISTRY[registry] = families
            if taken:
                _say(taken)
        return families


def _multiprocess() -> bool:
    """Whether prometheus_client writes values to the files of `PROMETHEUS_MULTIPROC_DIR`.

    It looks at the variable when it is imported, and not again.
    """
    return values.ValueClass is not values.MutexValue


def _shared_by_processes(registry: CollectorRegistry, taken: frozenset[Metric]) -> Families:
    """Families that go on to prometheus_client's own metrics, which a `MultiProcessCollector` adds up.

    What is taken is not written either: two metrics of one name would be one in the files.
    """
    return Families(
        shared={metric: _prometheus_metric(metric, registry) for metric in METRICS if metric not in taken}
    )


def _prometheus_metric(metric: Metric, registry: CollectorRegistry) -> Any:
    if metric.kind == "counter":
        return Counter(metric.prometheus_name, metric.help, metric.prometheus_labels, registry=registry)
    return Histogram(
        metric.prometheus_name,
        metric.help,
        metric.prometheus_labels,
        registry=registry,
        buckets=metric.buckets,
    )


class _Name(Collector):
    """Takes a metric's names in a registry, and has no values."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def describe(self) -> Iterable[PrometheusMetric]:
        """The metric without values."""
        return [self._metric.described()]

    def collect(self) -> Iterable[PrometheusMetric]:
        """Nothing."""
        return []


def _is_taken(registry: CollectorRegistry, metric: Metric) -> bool:
    name = _Name(metric)
    try:
        registry.register(name)
    except ValueError:
        return True
    registry.unregister(name)
    return False


def _say(taken: frozenset[Metric]) -> None:
    names = ", ".join(sorted(metric.prometheus_name for metric in taken))
    _LOG.warning(
        "not shown in the Prometheus registry, which has metrics of the same name from elsewhere: %s; give the "
        "trail a registry of its own (registry=prometheus_client.CollectorRegistry()) and expose that, too",
        names,
    )
