"""What comes next in an open instance, and when, by what is remembered of instances of its flow that ended.

Of those that completed, the comparable ones are looked at: their stages that are waited for here took longer than
they have been waited for here already, and where this one chose between alternatives, they chose alike. What is
still ahead is put behind what has happened here, with the times of each of them in turn; so what is slow together
stays slow together, and branches that run beside each other count by the slowest. Of the moments found, two bound
the interval by their rank: whatever the times are like, it holds as often as it says, as long as the times don't
change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from flowtrail_collector.sagas.model.assessment import Progress
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.route import Route, Standing, Waiting, standing_of
from flowtrail_collector.wording import counted

__all__ = ["CONFIDENCE", "NEEDED", "Forecast", "Outlook", "Risk"]

T = TypeVar("T")
CONFIDENCE = 0.95
"""How often an interval holds."""
NEEDED = 40
"""With fewer comparable instances, ranks can't bound such an interval."""
_LOOKED_AT = 500
_MOST_KINDS = 200


class Risk(NamedTuple):
    """A deadline that is likely to be missed.

    Attributes:
        step: The step; None for the time of the flow itself.
        deadline_ms: The deadline.
        probability: How likely.
    """

    step: str | None
    deadline_ms: int
    probability: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What comes next in an open instance, and when.

    Attributes:
        remaining: Steps that are still to be done (to be taken back, if it was cancelled), the next ones first.
        comparable: By how many instances that is said.
        earliest_ms: The end lies with 95 % between this moment ...
        expected_ms: ... most likely around this one ...
        latest_ms: ... and this one. None if that can't be told.
        unknown: Why it can't.
        risks: Deadlines that lie ahead and are more likely to be missed than kept.
    """

    remaining: tuple[str, ...]
    comparable: int = 0
    earliest_ms: int | None = None
    expected_ms: int | None = None
    latest_ms: int | None = None
    unknown: str | None = None
    risks: tuple[Risk, ...] = ()


class _Row(NamedTuple):
    """An instance that completed; its spans in the order of the stages."""

    took: Sequence[int | None]
    waited: Sequence[int | None]
    via: Mapping[str, str]
    closing: int


class Outlook:
    """What the instances of a flow that ended say of those that are open.

    Args:
        flow: The flow.
        histories: What is remembered of them.
    """

    def __init__(self, flow: Flow, histories: Sequence[History]) -> None:
        self.flow = flow
        self.route = Route(flow)
        self._forks = {stage.name for stage in self.route.stages if len(stage.members) > 1}
        names = [stage.name for stage in self.route.stages]
        self._rows = [
            _Row(
                [item.took.get(name) for name in names],
                [item.took.get(name, item.waited.get(name)) for name in names],
                item.via,
                item.closing,
            )
            for item in histories
            if item.completed
        ]
        self._undoing = sorted(item.undoing for item in histories if item.undoing is not None)
        self.known = len(histories)
        self._after: dict[object, tuple[list[int], list[int]] | None] = {}
        self._lasted = {
            stage.name: sorted(span for item in histories if (span := item.lasted(stage.name)) is not None)
            for stage in self.route.stages
        }

    @property
    def completed(self) -> int:
        """How many of the instances completed."""
        return len(self._rows)

    def lasted(self, stage: str) -> Sequence[int]:
        """How long a stage was waited for, whatever came of it, in ms; ascending."""
        return self._lasted[stage]

    def turning_point(self, stage: str) -> int | None:
        """After how many ms of waiting a stage is more likely to miss its deadline than to keep it."""
        lasted, limit_ms = self._lasted[stage], self.route.limits[stage]
        if limit_ms is None or len(lasted) < NEEDED:
            return None
        missed = len(lasted) - bisect_right(lasted, limit_ms)
        place = len(lasted) - 1 - (2 * missed + 1)
        return 0 if place < 0 else lasted[place]

    def forecast(self, saga: SagaRecord, progress: Progress, now_ms: int) -> Forecast | None:
        """What comes next in an open instance; None if its start was not seen.

        Args:
            saga: The instance.
            progress: What its events say.
            now_ms: Up to when everything has been read.
        """
        standing = standing_of(self.flow, self.route, saga.events, progress)
        if standing is None:
            return None
        if standing.cancelled_ms is not None:
            return self._undone(standing, standing.cancelled_ms, now_ms)
        if standing.uncancelled:
            return Forecast(standing.remaining, unknown="a step failed, and its cancellation has not arrived")
        ends = self.ends(standing, now_ms)
        risks = self.risks(standing, ends, now_ms)
        if len(ends) >= NEEDED:
            return _bounded(standing.remaining, ends, risks)
        return Forecast(standing.remaining, len(ends), unknown=self._too_few(len(ends)), risks=risks)

    def ends(self, standing: Standing, now_ms: int) -> list[int]:
        """When it would end if it went on like each of the comparable instances; ascending."""
        if len(standing.waiting) == 1:
            quick = self._after_one(standing, standing.waiting[0], now_ms)
            if quick is not None:
                return quick
        rows = _some(self._comparable(standing, now_ms))
        begun = {item.stage: item.first_ms for item in standing.waiting}
        end_of = self.route.ahead(standing.done, begun, standing.started_ms).end_ms
        ends = [end_of(row.took) + row.closing for row in rows]
        return sorted(end_ms for end_ms in ends if end_ms > now_ms)

    def _after_one(self, standing: Standing, waiting: Waiting, now_ms: int) -> list[int] | None:
        """The same where one stage is waited for: all that follows counts from it, whatever was done when.

        Returns:
            None where one of the others ended without that stage.
        """
        via = tuple(sorted(item for item in standing.via.items() if item[0] in self._forks))
        kind = (waiting.stage, frozenset(standing.done), via)
        if kind in (known := self._after):
            found = known[kind]
        else:
            # Another thread may read the old one meanwhile, so it isn't emptied.
            self._after = {} if len(known) >= _MOST_KINDS else known
            found = self._after[kind] = self._spans_after(standing, waiting)
        if found is None:
            return None
        spans, totals = found
        waited_ms = now_ms - waiting.first_ms
        rest = _some(totals[bisect_right(spans, waited_ms) :])
        return sorted(waiting.first_ms + total for total in rest if total > waited_ms)

    def _spans_after(self, standing: Standing, waiting: Waiting) -> tuple[list[int], list[int]] | None:
        """Of each comparable instance, how long the stage took, and how long it was from its turn to the end."""
        place = self.route.places[waiting.stage]
        end_of = self.route.ahead(dict.fromkeys(standing.done, 0), {waiting.stage: 0}, 0).end_ms
        found = []
        for row in self._comparable(standing, waiting.first_ms - 1):
            span = row.took[place]
            if span is None:
                return None
            found.append((span, end_of(row.took) + row.closing))
        found.sort()
        return [span for span, _ in found], [total for _, total in found]

    def _comparable(self, standing: Standing, now_ms: int) -> Sequence[_Row]:
        """Instances that completed, had got as far as this one, and had waited as long."""
        rows = self._rows
        for waiting in standing.waiting:
            place, span_ms = self.route.places[waiting.stage], now_ms - waiting.first_ms
            rows = [row for row in rows if (span := row.waited[place]) is not None and span > span_ms]
        for stage, name in standing.via.items():
            if stage in self._forks:
                rows = [row for row in rows if row.via.get(stage, name) == name]
        return rows

    def late_steps(self, standing: Standing, now_ms: int) -> list[Risk]:
        """Deadlines of steps that are more likely to be missed than kept."""
        return [risk for item in standing.waiting if (risk := self._risk(item, now_ms)) is not None]

    def risks(self, standing: Standing, ends: Sequence[int], now_ms: int) -> tuple[Risk, ...]:
        """Deadlines, of steps or of the flow, that are more likely to be missed than kept.

        Args:
            standing: Where an instance stands.
            ends: When it may end.
            now_ms: Up to when everything has been read.
        """
        found = self.late_steps(standing, now_ms)
        if self.flow.within_ms is not None and len(self._rows) >= NEEDED:
            over_ms = standing.started_ms + self.flow.within_ms
            missed = sum(end_ms > over_ms for end_ms in ends)
            if over_ms > now_ms and _likely(missed, len(ends)):
                found.append(Risk(None, over_ms, _chance(missed, len(ends))))
        return tuple(found)

    def _risk(self, item: Waiting, now_ms: int) -> Risk | None:
        lasted = self._lasted[item.stage]
        if item.due_ms is None or item.due_ms <= now_ms or len(lasted) < NEEDED:
            return None
        longer = len(lasted) - bisect_right(lasted, now_ms - item.since_ms)
        missed = len(lasted) - bisect_right(lasted, item.due_ms - item.since_ms)
        if not _likely(missed, longer):
            return None
        return Risk(item.step, item.due_ms, _chance(missed, longer))

    def _undone(self, standing: Standing, cancelled_ms: int, now_ms: int) -> Forecast:
        ends = [end_ms for span in self._undoing if (end_ms := cancelled_ms + span) > now_ms]
        if len(ends) >= NEEDED:
            return _bounded(standing.remaining, ends, ())
        known = len(self._undoing)
        unknown = (
            f"{counted(known, 'cancelled instance')} of its flow came to an end so far, {NEEDED} are needed"
            if known < NEEDED
            else f"all but {len(ends)} of the {known} cancelled instances known took less long"
        )
        return Forecast(standing.remaining, len(ends), unknown=unknown)

    def _too_few(self, comparable: int) -> str:
        known = len(self._rows)
        if known < NEEDED:
            return f"{counted(known, 'instance')} of its flow completed so far, {NEEDED} are needed"
        return f"only {comparable} of the {known} instances known went on after such a wait"


def _some(items: Sequence[T]) -> Sequence[T]:
    """So many of them that looking at more would tell little more."""
    return items if len(items) <= _LOOKED_AT else items[:: -(-len(items) // _LOOKED_AT)]


def _bounded(remaining: tuple[str, ...], ends: Sequence[int], risks: tuple[Risk, ...]) -> Forecast:
    out = (1 - CONFIDENCE) / 2
    return Forecast(
        remaining,
        len(ends),
        _at_rank(ends, out),
        _at_rank(ends, 0.5),
        _at_rank(ends, 1 - out),
        None,
        risks,
    )


def _at_rank(ends: Sequence[int], part: float) -> int:
    """The moment before which a further one lies with this probability: between two of the ranks of n + 1."""
    place = part * (len(ends) + 1) - 1
    below = min(max(int(place), 0), len(ends) - 1)
    above = min(below + 1, len(ends) - 1)
    return round(ends[below] + (ends[above] - ends[below]) * min(max(place - below, 0), 1))


def _likely(missed: int, of: int) -> bool:
    """Whether a deadline will rather be missed, by how many of the comparable instances would have missed it."""
    return 2 * (missed + 1) >= of + 1


def _chance(missed: int, of: int) -> float:
    """How likely that is; what waits longer than all that are known will not be done in time either."""
    return (missed + 1) / (of + 1)
