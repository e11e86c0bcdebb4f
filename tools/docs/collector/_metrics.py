"""Every metric that the collector exports: its own families, and lag's as they are rendered."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.lag.metrics.exposition import CycleFigures, LagPage
from flowtrail_collector.lag.model import (
    GroupReading,
    PartitionTable,
    Status,
    TopicSlice,
    TopicSums,
    Uncommitted,
    UncommittedPartition,
)
from flowtrail_collector.metrics.exposition import Families
from flowtrail_collector.runtime.metrics import CollectorMetrics
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from tools.docs.collector._api import assembled
from tools.docs.collector._markdown import code, table

__all__ = ["Family", "example_reading", "families", "metrics_section"]

_SUFFIXES = {"counter": "_total", "info": "_info"}
_GROUPS: dict[str, str | tuple[str, ...]] = {
    "Flows": "flowtrail_saga",
    "Dead letters": ("flowtrail_dlq", "flowtrail_redrive"),
    "Consumer lag": ("kafka_consumergroup_group_", "kafka_partition_", "flowtrail_group_"),
    "Consumer lag under kafka_exporter's names (`--compat kafka_exporter`)": "kafka_",
    "The service map": "flowtrail_edge",
    "The collector itself": "",
}


@dataclass(frozen=True, slots=True)
class Family:
    """A metric.

    Attributes:
        name: As it is written in queries.
        kind: `counter`, `gauge`, `histogram`, `info`.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def families() -> list[Family]:
    """All metrics, in the order in which they are exported."""
    found = {family.name: family for family in _families()}
    return list(found.values())


def metrics_section() -> str:
    """All metrics, as Markdown."""
    left, parts = families(), []
    for title, prefixes in _GROUPS.items():
        group = [family for family in left if family.name.startswith(prefixes)]
        left = [family for family in left if family not in group]
        rows = [(code(family.name), family.kind, code(*family.labels), family.meaning) for family in group]
        parts.append(f"### {title}\n\n" + table(("metric", "type", "labels", "meaning"), rows))
    return "\n".join(parts)


def _families() -> Iterator[Family]:
    with assembled() as collector:
        for source in collector.exposition.sources:
            if isinstance(source, Families):
                yield from map(_family, source.families())
    # One of several workers shows two more about itself.
    with tempfile.TemporaryDirectory() as folder:
        database = SqliteDatabase(Path(folder) / "store.sqlite")
        figures = CollectorMetrics(SqliteStore(database), taken=dict, partitions=lambda: 1)
        yield from map(_family, figures.families())
        database.close()
    yield from map(_family, text_string_to_metric_families(_lag_text()))


def _family(metric: Metric) -> Family:
    suffix = _SUFFIXES.get(metric.type, "")
    labels = getattr(metric, "_labelnames", None) or ()
    if not labels:
        labels = dict.fromkeys(label for sample in metric.samples for label in sample.labels)
    return Family(metric.name + suffix, metric.type, tuple(labels), metric.documentation)


def example_reading(read_at: float = 0.0) -> GroupReading:
    """A group that has read one record of two."""
    return GroupReading(
        "billing", "classic", "stable", read_at,
        pairs=[("orders", 0)], slices=[TopicSlice("orders", 0, 1)], commits=[1], ends=[2], lags=[1], seconds=[1.0],
        statuses=bytes([Status.OK]),
        topics=TopicSums(
            statuses=[Status.OK], sum_lags=[1], least_lags=[1], partitions=[1], known=[1], max_seconds=[1.0], catch_up_seconds=[1.0], margins=[1], lost=[0],
            consumed_per_second=[1.0], produced_per_second=[1.0],
        ),
        status=Status.OK, sum_lag=1, max_lag=1, least_lag=1, partitions=2, known=2, max_seconds=1.0, orphans=0,
        members=1, uncommitted=Uncommitted([UncommittedPartition("orders", 1, 3, 0, 0, Status.OK)]),
    )  # fmt: skip


def _lag_text() -> str:
    """What one group that reads one partition makes, so that every family has a line."""
    table_ = PartitionTable()
    table_.set_topics({"orders": [0]}, 0.0)
    table_.ends[0], table_.earliest[0] = 2, 0
    page = LagPage(compat=("kafka_exporter",), clock=lambda: 0.0)
    figures = CycleFigures(0.0, 0.0, 1, 1, 1, errors={"group": 0}, failing={"group": 0})
    page.publish([example_reading()], table_, figures)
    return page.text(openmetrics=False).decode()
