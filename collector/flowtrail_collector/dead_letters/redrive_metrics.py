"""`flowtrail_dlq_{redriven,quarantined,dismissed}_total`, `flowtrail_redrive_*`: what became of dead letters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from flowtrail_collector.dead_letters.arrival_labels import OTHER
from flowtrail_collector.dead_letters.ports import JobState, RedriveStore
from flowtrail_collector.metrics.exposition import Families

__all__ = ["RedriveMetrics"]

_LABELS = ["topic", "source_topic", "group"]
_HELP = {
    "redriven": "Dead letters sent back.",
    "quarantined": "Dead letters quarantined because they were redriven too often.",
    "dismissed": "Dead letters dismissed.",
}
_MAX_SERIES = 1_000
_MAX_JOBS = 100


class RedriveMetrics(Families):
    """A `MetricSource` over the store.

    Args:
        store: Where counts and jobs are.
    """

    def __init__(self, store: RedriveStore) -> None:
        self._store = store

    def families(self) -> Iterable[Metric]:
        """All families."""
        counts = _bounded(self._store.redriven_counts())
        families: list[Metric] = []
        for action, help_text in _HELP.items():
            family = CounterMetricFamily(f"flowtrail_dlq_{action}", help_text, labels=_LABELS)
            for (topic, source, group, done), count in counts.items():
                if done == action:
                    family.add_metric([topic, source, group], count)
            families.append(family)
        running = [job for job in self._store.jobs(_MAX_JOBS) if job.state is JobState.RUNNING]
        jobs = GaugeMetricFamily("flowtrail_redrive_jobs", "Redrives currently running.", value=len(running))
        left = GaugeMetricFamily(
            "flowtrail_redrive_remaining",
            "Dead letters still to be moved by running redrives.",
            value=sum(job.left for job in running),
        )
        return [*families, jobs, left]


def _bounded(counts: Mapping[tuple[str, str, str, str], int]) -> Mapping[tuple[str, str, str, str], int]:
    """Source topic and group are strangers' words: the rest beyond the first combinations is summed up."""
    if len(counts) <= _MAX_SERIES:
        return counts
    bounded: dict[tuple[str, str, str, str], int] = defaultdict(int)
    # By name, not by count: a series that changes places would jump.
    for n, (topic, source, group, action) in enumerate(sorted(counts)):
        key = (topic, source, group, action) if n < _MAX_SERIES else (topic, OTHER, OTHER, action)
        bounded[key] += counts[topic, source, group, action]
    return bounded
