"""`flowtrail_saga_*`: what the sagas of each flow do."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.metrics.exemplars import ExemplarOf, no_exemplar
from flowtrail_collector.metrics.exposition import Families
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.fields import PAYLOAD_PROBLEMS
from flowtrail_collector.sagas.model.flows import Flows, OwnerOf
from flowtrail_collector.sagas.model.lifecycle import DURATION_BUCKETS_SECONDS
from flowtrail_collector.sagas.owners import as_written
from flowtrail_collector.sagas.ports import SagaFigures, SagaStore
from flowtrail_collector.sagas.stuck import Reason, reason_of

__all__ = ["SagaMetrics"]

_PER_FLOW = {
    "saga_started": "Instances that started.",
    "saga_late_completions": "Instances that completed after they had timed out.",
    "saga_repeated_starts": "Starts of instances that had already started and not ended.",
    "saga_late_events": "Events of instances that had already ended.",
    "saga_duplicate_events": "Duplicate events (same source and id).",
    "saga_out_of_order_events": "Events read after an event they had caused.",
    "saga_conflicts": "Instances that both completed and were cancelled.",
    "saga_incomplete_compensations": "Cancelled instances that timed out with a step not yet undone.",
}
_OPEN_KINDS = {
    "open": ("flowtrail_saga_open_instances", "Instances that started and have not ended."),
    "partial": ("flowtrail_saga_partial_instances", "Instances whose start was never seen."),
    "stuck": ("flowtrail_saga_stuck_instances", "Open instances past the deadline of a step."),
    "uncompensated": (
        "flowtrail_saga_uncompensated_instances",
        "Cancelled instances with a step not undone yet.",
    ),
}
Counts = Mapping[tuple[str, tuple[str, ...]], float]


class SagaMetrics(Families):
    """A `MetricSource` over the store.

    Args:
        store: Where counters and instances are.
        flows: Their series are there from the start, at 0.
        progress_of: How a consumer group is, to tell why instances are stuck.
        owner_of: Who should do a step.
        exemplar_of: A trace for each bucket of the instances' durations (in OpenMetrics).
        step_exemplar_of: The same for their steps'.
        predicted: How many open instances of each flow will probably miss a deadline.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        store: SagaStore,
        flows: Flows,
        progress_of: GroupProgressOf = lambda group: None,
        *,
        owner_of: OwnerOf = as_written,
        exemplar_of: ExemplarOf = no_exemplar,
        step_exemplar_of: ExemplarOf = no_exemplar,
        predicted: Callable[[], Mapping[str, int]] = dict,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._predicted = predicted
        self._store = store
        self._flows = flows
        self._progress_of = progress_of
        self._owner_of = owner_of
        self._exemplar_of = exemplar_of
        self._step_exemplar_of = step_exemplar_of
        self._time_seconds = time_seconds

    def families(self) -> Iterable[Metric]:
        """All families, as of one moment."""
        figures = self._store.saga_figures()
        flows = sorted(self._flows.by_name.keys() | {flow for flow, _, _ in figures.open_by_flow})
        for name, text in _PER_FLOW.items():
            family = CounterMetricFamily(f"flowtrail_{name}", text, labels=["flow"])
            for flow in flows:
                family.add_metric([flow], figures.counts.get((name, (flow,)), 0))
            yield family
        yield self._unread(figures.counts)
        yield self._ended(figures.counts, flows)
        yield self._breaches(figures.counts)
        yield from self._open(figures, flows)
        yield self._stuck(figures)
        yield self._predictions()
        yield _histogram(
            "saga_duration_seconds",
            "From start to end.",
            ["flow", "outcome"],
            figures.counts,
            self._exemplar_of,
        )
        yield _histogram(
            "saga_step_duration_seconds",
            "From when a step was due to start until its end.",
            ["flow", "step"],
            figures.counts,
            self._step_exemplar_of,
        )

    def _ended(self, counts: Counts, flows: Iterable[str]) -> Metric:
        family = CounterMetricFamily(
            "flowtrail_saga_ended", "Instances that ended.", labels=["flow", "outcome"]
        )
        for flow in flows:
            for outcome in Outcome:
                if outcome not in (Outcome.OPEN, Outcome.RETIRED):
                    labels = (flow, outcome.value)
                    family.add_metric(labels, counts.get(("saga_ended", labels), 0))
        return family

    def _unread(self, counts: Counts) -> Metric:
        family = CounterMetricFamily(
            "flowtrail_saga_unread_fields",
            "Payload fields that a flow needs but events don't have.",
            labels=["flow", "reason"],
        )
        for flow in self._flows.by_name.values():
            for problem in PAYLOAD_PROBLEMS if flow.fields else ():
                labels = (flow.name, problem.value)
                family.add_metric(labels, counts.get(("saga_unread_fields", labels), 0))
        return family

    def _breaches(self, counts: Counts) -> Metric:
        family = CounterMetricFamily(
            "flowtrail_saga_deadline_breaches", "Steps that missed their deadline.", labels=["flow", "step"]
        )
        for flow in self._flows.by_name.values():
            for step in flow.steps:
                labels = (flow.name, step.name)
                family.add_metric(labels, counts.get(("saga_deadline_breaches", labels), 0))
        return family

    def _stuck(self, figures: SagaFigures) -> Metric:
        family = GaugeMetricFamily(
            "flowtrail_saga_stuck",
            "Open instances waiting for a step past its deadline, by reason.",
            labels=["flow", "step", "reason"],
        )
        late = {(flow, step): count for flow, step, count in figures.late_steps}
        for flow in self._flows.by_name.values():
            for step in flow.steps:
                by = self._owner_of(step)
                total = late.get((flow.name, step.name), 0)
                given_up = sum(
                    count
                    for of_flow, of_step, group, count in figures.late_given_up
                    if (of_flow, of_step) == (flow.name, step.name) and (by is None or group == by)
                )
                found = dict.fromkeys(Reason, 0)
                found[Reason.DEAD_LETTER] = min(given_up, total)
                otherwise = reason_of(self._progress_of(by) if by else None)
                found[otherwise] = total - found[Reason.DEAD_LETTER]
                for reason, count in found.items():
                    family.add_metric([flow.name, step.name, reason.value], count)
        return family

    def _predictions(self) -> Metric:
        family = GaugeMetricFamily(
            "flowtrail_saga_predicted_breaches",
            "Open instances that will probably miss a deadline they haven't missed yet.",
            labels=["flow"],
        )
        predicted = self._predicted()
        for flow in sorted(self._flows.by_name):
            family.add_metric([flow], predicted.get(flow, 0))
        return family

    def _open(self, figures: SagaFigures, flows: Iterable[str]) -> Iterator[Metric]:
        by_flow = {(flow, kind): count for flow, kind, count in figures.open_by_flow}
        for kind, (name, text) in _OPEN_KINDS.items():
            family = GaugeMetricFamily(name, text, labels=["flow"])
            for flow in flows:
                family.add_metric([flow], by_flow.get((flow, kind), 0))
            yield family
        waiting = {(flow, step): (count, since) for flow, step, count, since in figures.open_steps}
        for flow_definition in self._flows.by_name.values():
            for step in flow_definition.steps:
                waiting.setdefault((flow_definition.name, step.name), (0, None))
        opened = GaugeMetricFamily(
            "flowtrail_saga_open", "Open instances waiting for a step.", labels=["flow", "step"]
        )
        oldest = GaugeMetricFamily(
            "flowtrail_saga_oldest_open_seconds",
            "How long the oldest instance has been waiting for a step.",
            labels=["flow", "step"],
        )
        now_ms = self._time_seconds() * 1000
        for (flow, step_name), (count, since) in sorted(waiting.items()):
            opened.add_metric([flow, step_name], count)
            if since is not None:  # nobody waits: no age, rather than one of 0
                oldest.add_metric([flow, step_name], max(now_ms - since, 0) / 1000)
        yield opened
        yield oldest


def _histogram(
    name: str,
    text: str,
    labels: list[str],
    counts: Counts,
    exemplar_of: ExemplarOf,
) -> Metric:
    family = HistogramMetricFamily(f"flowtrail_{name}", text, labels=labels)
    buckets: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for (counter, values), value in counts.items():
        if counter == f"{name}_bucket":
            buckets[values[:-1]][values[-1]] = value
    for values, found in sorted(buckets.items()):
        total = 0.0
        cumulative: list[Any] = []
        for bound in (*map(str, DURATION_BUCKETS_SECONDS), "+Inf"):
            total += found.get(bound, 0)
            exemplar = exemplar_of(values, bound)
            cumulative.append((bound, total) if exemplar is None else (bound, total, exemplar))
        family.add_metric(values, cumulative, counts.get((f"{name}_sum", values), 0))
    return family
