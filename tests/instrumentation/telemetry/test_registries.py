"""Our metrics in a Prometheus registry that others use, too."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import prometheus_client
import pytest
from opentelemetry.trace import NoOpTracerProvider
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flowtrail._telemetry import METRICS, Telemetry
from flowtrail._telemetry.definitions import Metric

_OTHERS: dict[str, Callable[..., Any]] = {
    "counter": prometheus_client.Counter,
    "gauge": prometheus_client.Gauge,
    "histogram": prometheus_client.Histogram,
    "summary": prometheus_client.Summary,
}


def _telemetry(registry: CollectorRegistry) -> Telemetry:
    return Telemetry("s", registry=registry, tracer_provider=NoOpTracerProvider())


def _page(registry: CollectorRegistry) -> set[str]:
    """Names of the families of a page that a scraper takes: none of them twice."""
    names = [family.name for family in text_string_to_metric_families(generate_latest(registry).decode())]
    assert len(names) == len(set(names))
    return set(names)


@pytest.mark.parametrize("kind", _OTHERS)
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_that_another_library_has_is_left_to_it(
    metric: Metric, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    _OTHERS[kind](metric.prometheus_name, "in house", registry=registry)
    with caplog.at_level(logging.WARNING, "flowtrail"):
        telemetry = _telemetry(registry)
        _telemetry(registry)
    (line,) = caplog.records
    assert metric.prometheus_name in line.getMessage()
    assert "registry=" in line.getMessage(), "it says what to do"
    telemetry.sending("orders").done()
    telemetry.count_retry("orders", "g")
    page = _page(registry)
    assert {other.prometheus_name for other in METRICS} - page <= {metric.prometheus_name}
    text = generate_latest(registry).decode()
    assert text.count(f"# HELP {metric.prometheus_name} in house") + text.count(
        f"# HELP {metric.prometheus_name}_total in house"
    ), "theirs is still there"


def test_names_of_single_series_count_too(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    prometheus_client.Gauge("messaging_process_duration_seconds_count", "in house", registry=registry)
    _telemetry(registry)
    assert "messaging_process_duration_seconds;" in caplog.text
    assert "messaging_process_duration_seconds" not in _page(registry)


def test_nothing_is_said_of_a_registry_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    prometheus_client.Gauge("their_own", "in house", registry=registry)
    _telemetry(registry)
    assert caplog.records == []
    assert _page(registry) == {metric.prometheus_name for metric in METRICS} | {"their_own"}


def test_our_names_stay_ours() -> None:
    registry = CollectorRegistry()
    _telemetry(registry)
    for metric in METRICS:
        with pytest.raises(ValueError, match=metric.prometheus_name):
            prometheus_client.Counter(metric.prometheus_name, "in house", registry=registry)
