"""How open instances stand, many at once: those whose events are of the same types in the same order stand alike.

What `assess` says of an instance in which nothing failed, was taken back or has ended depends on the types of its
events and their order alone; each moment that it names is that of an event, or that and a limit of the flow file.
So it is asked once for each such shape, with moments so far apart that they can be told from what it answers; and
the moments of all instances of a shape are columns, of which each limit makes another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, pairwise
from operator import lt
from typing import NamedTuple

from flowtrail_collector.sagas.model.assessment import Outcome, assess
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.lateness import renamed
from flowtrail_collector.sagas.model.steps import StepProgress

__all__ = ["Looked", "OpenSagas", "Shapes", "Standing"]

_APART_MS = 10**30
"""Longer than any limit of a flow file: a moment and a limit never reach the next moment."""
_MAX_SHAPES = 5_000
_Moments = Sequence[int | None]


class Standing(NamedTuple):
    """What is kept of an open instance, besides its events. Times in ms since the epoch."""

    started_ms: int | None
    waiting: tuple[str, ...]
    waiting_since_ms: int | None
    next_deadline_ms: int | None
    breached: tuple[str, ...] = ()


class OpenSagas(NamedTuple):
    """Instances at a glance: events of the same types are kept of each, and they wait for, and missed, the same.

    Attributes:
        keys: As in `SagaKey`.
        started: When each started, as all times in ms since the epoch.
        since: Since when each waits.
        due: When each is to be looked at again.
        waiting: What they wait for.
        breached: What they missed.
        quiet: They are open, and have no conflict and nothing to undo.
        kinds: Types of their events, as they are kept.
        moments: For each of those, when it was, instance by instance.
        valued: Something of their payloads is kept, too.
    """

    keys: Sequence[str]
    started: _Moments
    since: _Moments
    due: _Moments
    waiting: tuple[str, ...]
    breached: tuple[str, ...]
    quiet: bool
    kinds: tuple[str, ...]
    moments: Sequence[Sequence[int]]
    valued: bool = False

    def picked(self, wanted: Sequence[bool], order: Sequence[int] | None = None) -> OpenSagas:
        """Some of them, with their events in another order."""
        places = range(len(self.kinds)) if order is None else order
        return self._replace(
            keys=list(compress(self.keys, wanted)),
            started=list(compress(self.started, wanted)),
            since=list(compress(self.since, wanted)),
            due=list(compress(self.due, wanted)),
            kinds=tuple([self.kinds[place] for place in places]),
            moments=[list(compress(self.moments[place], wanted)) for place in places],
        )


@dataclass(slots=True)
class Looked:
    """What came of a look.

    Attributes:
        due: Keys of those of which only the next look changes: (when that is to be, which).
        standings: Others that stand otherwise now.
        missed: How many turn out to have missed the deadline of a step.
        closer: Those that have to be looked at one by one: something failed, was taken back, has ended or came
            anew, or what was kept of payloads counts.
    """

    due: list[tuple[int | None, str]] = field(default_factory=list)
    standings: list[tuple[Standing, str]] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)
    closer: list[str] = field(default_factory=list)


class _Limit(NamedTuple):
    """The deadline of a step whose turn has come.

    Attributes:
        step: Its name.
        place: Of the event with which its turn came.
        span_ms: How long it may take.
        until: With which event it was done; None if it wasn't.
        waits: Whether the instance waits for it.
    """

    step: str
    place: int
    span_ms: int
    until: int | None
    waits: bool


class _Shape(NamedTuple):
    """What instances of the same shape have in common.

    Attributes:
        started: With which event it started; None while that has not been seen.
        waiting: Steps that it waits for.
        since: With which events their turns came.
        limits: Of its steps.
    """

    started: int | None
    waiting: tuple[str, ...]
    since: tuple[int, ...]
    limits: tuple[_Limit, ...]


class Shapes:
    """The shapes of a flow's instances.

    Args:
        flow: What is said of them.

    Attributes:
        flow: The same.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self._known: dict[tuple[str, ...], _Shape | None] = {}
        self._telling = flow.undoing.union(flow.completes, flow.ending, flow.renewing)
        self._by_values = any(step.of is not None or step.count is not None for step in flow.steps)
        self._settling_ms = flow.settling_ms

    def look(self, sagas: OpenSagas, watermark_ms: int, looked: Looked) -> None:
        """What `settle` would leave of instances.

        Args:
            sagas: The instances.
            watermark_ms: Everything written until then has been read.
            looked: Added to.
        """
        until_ms = watermark_ms - self._settling_ms
        if not sagas.quiet or not sagas.kinds or (sagas.valued and self._by_values):
            looked.closer += sagas.keys
            return
        for ordered in _in_time(sagas, looked):
            shape = self._shape(ordered.kinds)
            if shape is None:
                looked.closer += ordered.keys
                continue
            fine = self._fine(shape, ordered, until_ms)
            looked.closer += compress(ordered.keys, [not one for one in fine])
            if any(fine):
                self._stand(shape, ordered if all(fine) else ordered.picked(fine), until_ms, looked)

    def _fine(self, shape: _Shape, sagas: OpenSagas, until_ms: int) -> list[bool]:
        """Which of them take no closer look."""
        if shape.started is None:
            started: _Moments = [None] * len(sagas.keys)
        else:
            started = sagas.moments[shape.started]
        # What was counted as a start stays one, and what is one now has to be counted.
        fine = [
            a == b and last <= until_ms
            for a, b, last in zip(started, sagas.started, sagas.moments[-1], strict=True)
        ]
        if shape.started is not None and self.flow.within_ms is not None:
            over_ms = until_ms - self.flow.within_ms
            fine = [one and at >= over_ms for one, at in zip(fine, sagas.moments[shape.started], strict=True)]
        return fine

    def _stand(self, shape: _Shape, sagas: OpenSagas, until_ms: int, looked: Looked) -> None:
        known = _names(renamed(sagas.breached, self.flow.renamed))
        if known is None:
            looked.closer += sagas.keys
            return
        due: _Moments = [None] * len(sagas.keys)
        if shape.started is not None and self.flow.within_ms is not None:
            due = [at + self.flow.within_ms for at in sagas.moments[shape.started]]
        missed = []
        for limit in shape.limits:
            ends = [at + limit.span_ms for at in sagas.moments[limit.place]]
            late = [end < until_ms for end in ends]
            if limit.until is not None:
                late = [
                    one and at > end
                    for one, end, at in zip(late, ends, sagas.moments[limit.until], strict=True)
                ]
            if limit.waits:
                due = [
                    end if not one and (at is None or end < at) else at
                    for one, end, at in zip(late, ends, due, strict=True)
                ]
            missed.append(late)
        ways = list(zip(*missed, strict=True)) if missed else [()] * len(sagas.keys)
        words = {}
        for way, count in Counter(ways).items():
            steps = [limit.step for limit, late in zip(shape.limits, way, strict=True) if late]
            fresh = [step for step in steps if step not in known]
            looked.missed.update(dict.fromkeys(fresh, count))
            waits = {limit.step for limit in shape.limits if limit.waits}.intersection(steps)
            words[way] = tuple(step if step in waits else f"{step}#0" for step in (*known, *fresh))
        self._tell(shape, sagas, due, [words[way] for way in ways], looked)

    def _tell(
        self, shape: _Shape, sagas: OpenSagas, due: _Moments, words: Sequence[tuple[str, ...]], looked: Looked
    ) -> None:
        """Say what is otherwise than it was kept."""
        settling_ms = self._settling_ms + 1
        begun = [sagas.moments[place] for place in shape.since]
        since: _Moments = (
            [min(row) for row in zip(*begun, strict=True)] if begun else [None] * len(sagas.keys)
        )
        waiting, breached = shape.waiting, sagas.breached
        waits_alike = waiting == sagas.waiting
        for key, started_ms, old_since, since_ms, old_due, at, said in zip(
            sagas.keys, sagas.started, sagas.since, since, sagas.due, due, words, strict=True
        ):
            due_ms = None if at is None else at + settling_ms
            if not (waits_alike and since_ms == old_since and said == breached):
                looked.standings.append((Standing(started_ms, waiting, since_ms, due_ms, said), key))
            elif due_ms != old_due:
                looked.due.append((due_ms, key))

    def _shape(self, kinds: tuple[str, ...]) -> _Shape | None:
        try:
            return self._known[kinds]
        except KeyError:
            shape = self._learned(kinds) if kinds and self._telling.isdisjoint(kinds) else None
            if len(self._known) < _MAX_SHAPES:
                self._known[kinds] = shape
            return shape

    def _learned(self, kinds: tuple[str, ...]) -> _Shape | None:
        progress = assess(self.flow, {n: (n * _APART_MS, kind, 0) for n, kind in enumerate(kinds, 1)})
        if progress.outcome is not Outcome.OPEN or progress.cancelled_ms is not None or progress.restarts:
            return None
        waits = [item for item in progress.steps if item.waits]
        started = progress.started_ms
        return _Shape(
            None if started is None else _place(started),
            tuple(item.step.name for item in waits),
            tuple(_place(item.since_ms) for item in waits if item.since_ms is not None),
            # A partial instance has nothing to wait for: its deadlines count from a start that was never seen.
            () if started is None else tuple(filter(None, map(_limit, progress.steps))),
        )


def _limit(item: StepProgress) -> _Limit | None:
    if item.deadline_ms is None or item.step.optional:
        return None
    place, span_ms = divmod(item.deadline_ms, _APART_MS)
    until = None if item.until_ms is None else _place(item.until_ms)
    return _Limit(item.step.name, place - 1, span_ms, until, item.waits)


def _place(symbolic_ms: int) -> int:
    return symbolic_ms // _APART_MS - 1


def _names(breached: Sequence[str]) -> dict[str, None] | None:
    """Steps that missed their own deadline in the first round; None if something else was missed, too."""
    names = dict.fromkeys(word.removesuffix("#0") for word in breached)
    return None if any("#" in name or "!" in name for name in names) else names


def _in_time(sagas: OpenSagas, looked: Looked) -> Iterator[OpenSagas]:
    """The same with their events in the order of time; if two were at once, neither has its place in it."""
    columns = sagas.moments
    if all(all(map(lt, before, after)) for before, after in pairwise(columns)):
        yield sagas
        return
    orders = [tuple(sorted(range(len(row)), key=row.__getitem__)) for row in zip(*columns, strict=True)]
    apart = [len(set(row)) == len(row) for row in zip(*columns, strict=True)]
    looked.closer += compress(sagas.keys, [not one for one in apart])
    for order in dict.fromkeys(compress(orders, apart)):
        wanted = [one and own == order for one, own in zip(apart, orders, strict=True)]
        yield sagas.picked(wanted, order)
