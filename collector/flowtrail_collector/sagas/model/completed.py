"""Instances that simply completed, settled many at once: see `ways`. All others are left to `settle`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import observe
from flowtrail_collector.sagas.model.ways import Ways

__all__ = ["Completions"]

# Asked of its class with every instance, a member would cost six times as much.
_COMPLETED = Outcome.COMPLETED
_Spans = defaultdict[str, list[int]]


class Completions:
    """Settles what simply completed.

    Args:
        flows: What is followed. Instances that others wait for are left to `settle`.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = {
            name: _Completing(flow) for name, flow in flows.by_name.items() if name not in flows.parents
        }

    def settle(
        self, sagas: Sequence[SagaRecord], watermark_ms: int, counts: Counter[CountKey]
    ) -> tuple[list[SagaRecord], list[SagaRecord]]:
        """Do what `lifecycle.settle` does.

        Args:
            sagas: Instances; those that it settles are changed.
            watermark_ms: Everything written until then has been read.
            counts: Added to.

        Returns:
            Those that completed, and those that it left as they were.
        """
        done: list[SagaRecord] = []
        left: list[SagaRecord] = []
        spans: dict[str, _Spans] = defaultdict(lambda: defaultdict(list))
        for saga in sagas:
            flow = self._flows.get(saga.flow)
            settled = flow is not None and flow.settle(saga, watermark_ms, spans[saga.flow])
            (done if settled else left).append(saga)
        for name, by_step in spans.items():
            for step, took_ms in by_step.items():
                if step:
                    observe("saga_step_duration_seconds", (name, step), took_ms, counts)
                    continue
                labels = (name, _COMPLETED.value)
                counts["saga_ended", labels] += len(took_ms)
                observe("saga_duration_seconds", labels, took_ms, counts)
        return done, left


class _Completing:
    """What simply completes of one flow."""

    def __init__(self, flow: Flow) -> None:
        self._ways = Ways(flow)
        self._settling_ms, self._within_ms = flow.settling_ms, flow.within_ms

    def settle(self, saga: SagaRecord, watermark_ms: int, spans: _Spans) -> bool:
        """Settle an instance, if it simply completed: its end came last, and no deadline before that.

        Args:
            saga: The instance.
            watermark_ms: Everything written until then has been read.
            spans: By step how long each took, in ms; by an empty name, how long instances took. Added to.
        """
        if saga.started_ms is None:
            return False
        found = self._ways.of(saga)
        if found is None:
            return False
        way, moments = found
        if way.started is None or way.ended is None:
            return False
        started_ms, ended_ms = moments[way.started], moments[way.ended]
        if ended_ms < moments[-1] or ended_ms >= watermark_ms - self._settling_ms:
            return False
        if self._within_ms is not None and ended_ms - started_ms > self._within_ms:
            return False
        for turn, span_ms in way.limits:
            if moments[turn] + span_ms < ended_ms:
                return False
        saga.outcome, saga.started_ms, saga.ended_ms = _COMPLETED, started_ms, ended_ms
        saga.waiting, saga.waiting_since_ms, saga.next_deadline_ms = (), None, None
        spans[""].append(ended_ms - started_ms)
        for name, turn, until in way.done:
            spans[name].append(moments[until] - moments[turn])
        return True
