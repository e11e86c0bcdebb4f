"""Instances that simply completed, many at once: those whose events are of the same types in the same order went alike.

Most instances of most flows are of this kind: each type came once, nothing failed or was taken back, no deadline was
missed, and the end came last. What `settle` says of those follows from the order of their types; it is asked once for
each, with moments so far apart that they can be told from what it answers (see `shapes`). All others are left to it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import Outcome, assess
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import observe, step_durations

__all__ = ["Completions"]

_APART_MS = 10**30
"""Longer than any limit of a flow file."""
_MAX_WAYS = 5_000
# Asked of its class with every instance, a member would cost six times as much.
_OPEN, _COMPLETED = Outcome.OPEN, Outcome.COMPLETED
_Spans = defaultdict[str, list[int]]


class _Way(NamedTuple):
    """How instances completed. A place is that of an event among all of its instance, in the order of time.

    Attributes:
        started: Place of the start.
        limits: Of steps with deadlines: where their turn came, and how long they may take.
        steps: That were done: (name, place with which its turn came, place with which it was done).
    """

    started: int
    limits: tuple[tuple[int, int], ...]
    steps: tuple[tuple[str, int, int], ...]


class Completions:
    """Settles what simply completed.

    Args:
        flows: What is followed. Of those that have to do with children, none is simple.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = {
            name: _Completing(flow)
            for name, flow in flows.by_name.items()
            if flow.plain and not flow.depth and name not in flows.parents
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
        self._flow = flow
        self._settling_ms, self._within_ms = flow.settling_ms, flow.within_ms
        self._telling = flow.undoing.union(flow.ending, flow.cancels, flow.renewing)
        self._ways: dict[tuple[tuple[str, ...], Sequence[int]], _Way | None] = {}

    def settle(self, saga: SagaRecord, watermark_ms: int, spans: _Spans) -> bool:
        """Settle an instance, if it simply completed.

        Args:
            saga: The instance.
            watermark_ms: Everything written until then has been read.
            spans: By step how long each took, in ms; by an empty name, how long instances took. Added to.
        """
        if not _is_simple(saga):
            return False
        marks = sorted(saga.events.values())
        moments = [mark[0] for mark in marks]
        apart = sorted(set(moments))
        kinds = tuple([mark[1] for mark in marks])
        # Of events at once, none comes before the other.
        way = self._way(
            kinds, range(len(kinds)) if len(apart) == len(kinds) else tuple(map(apart.index, moments))
        )
        if way is None:
            return False
        started_ms, ended_ms = moments[way.started], moments[-1]
        if ended_ms >= watermark_ms - self._settling_ms:
            return False
        if self._within_ms is not None and ended_ms - started_ms > self._within_ms:
            return False
        for place, span_ms in way.limits:
            if moments[place] + span_ms < ended_ms:
                return False
        saga.outcome, saga.started_ms, saga.ended_ms = _COMPLETED, started_ms, ended_ms
        saga.waiting, saga.waiting_since_ms, saga.next_deadline_ms = (), None, None
        spans[""].append(ended_ms - started_ms)
        for name, since, until in way.steps:
            spans[name].append(moments[until] - moments[since])
        return True

    def _way(self, kinds: tuple[str, ...], order: Sequence[int]) -> _Way | None:
        """How those went whose events are of these types, each at its number in the order of time."""
        key = (kinds, order)
        try:
            return self._ways[key]
        except KeyError:
            way = self._learned(kinds, order)
            if len(self._ways) < _MAX_WAYS:
                self._ways[key] = way
            return way

    def _learned(self, kinds: tuple[str, ...], order: Sequence[int]) -> _Way | None:
        if len(set(kinds)) < len(kinds) or not self._telling.isdisjoint(kinds):
            return None
        moments = [number * _APART_MS for number in order]
        progress = assess(
            self._flow, {n: (at, kind, 0) for n, (at, kind) in enumerate(zip(moments, kinds, strict=True))}
        )
        ended_ms = progress.ended_ms
        if (
            progress.outcome is not _COMPLETED
            or progress.started_ms is None
            or ended_ms is None
            or ended_ms != moments[-1]
            or progress.restarts
            or any(item.waits for item in progress.steps)
        ):
            return None
        limits = [item.deadline_ms for item in progress.steps if item.deadline_ms is not None]
        return _Way(
            moments.index(progress.started_ms),
            tuple((moments.index(limit - limit % _APART_MS), limit % _APART_MS) for limit in limits),
            tuple(
                (item.step.name, moments.index(item.since_ms or 0), moments.index(item.until_ms or 0))
                for item, _ in step_durations(progress, ended_ms)
            ),
        )


def _is_simple(saga: SagaRecord) -> bool:
    """Whether nothing is known of an open instance besides its events."""
    return (
        saga.outcome is _OPEN
        and saga.started_ms is not None
        and not saga.breached
        and not saga.conflict
        and not saga.not_undone
        and not saga.completed_late
        and not saga.repeated_starts
        and not saga.late_events
    )
