"""How open instances stand, many at once: those whose events are of the same types in the same order stand alike.

What `assess` says of an instance in which nothing failed, was taken back or has ended depends on the types of its
events and their order alone; each moment that it names is that of an event, or that and a limit of the flow file.
So it is asked once for each such shape, with moments so far apart that they can be told from what it answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowtrail_collector.sagas.model.assessment import Outcome, assess
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.lateness import renamed
from flowtrail_collector.sagas.model.steps import StepProgress

__all__ = ["OpenSaga", "Shapes", "Standing"]

_APART_MS = 10**30
"""Longer than any limit of a flow file: a moment and a limit never reach the next moment."""
_MAX_SHAPES = 5_000


class Standing(NamedTuple):
    """What is kept of an open instance, besides its events. Times in ms since the epoch."""

    started_ms: int | None
    waiting: tuple[str, ...]
    waiting_since_ms: int | None
    next_deadline_ms: int | None
    breached: tuple[str, ...] = ()


class OpenSaga(NamedTuple):
    """An instance at a glance.

    Attributes:
        key: As in `SagaKey`.
        standing: What is kept of it.
        quiet: It is open, and has no conflict and nothing to undo.
        kinds: Types of its events, as they are kept.
        moments: When they were, ms since the epoch.
        valued: Something of their payloads is kept, too.
    """

    key: str
    standing: Standing
    quiet: bool
    kinds: tuple[str, ...]
    moments: tuple[int, ...]
    valued: bool = False


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

    def of(self, saga: OpenSaga, watermark_ms: int) -> tuple[Standing, Sequence[str]] | None:
        """What `settle` would leave of an instance, and the steps that turn out to have missed their deadline.

        Args:
            saga: The instance.
            watermark_ms: Everything written until then has been read.

        Returns:
            None if that takes a closer look: something failed, was taken back, has ended or came anew, or what was
            kept of payloads counts.
        """
        if saga.valued and self._by_values:
            return None
        kinds, moments = saga.kinds, saga.moments
        last = -1
        for moment in moments:
            if moment <= last:
                kinds, moments = _in_time(kinds, moments)
                break
            last = moment
        shape = self._shape(kinds)
        until_ms = watermark_ms - self._settling_ms
        if shape is None or not saga.quiet or not moments or moments[-1] > until_ms:
            return None
        started_ms = None if shape.started is None else moments[shape.started]
        if started_ms != saga.standing.started_ms:
            return None  # what was counted as a start stays one, and what is one now has to be counted
        return self._standing(shape, saga.standing, moments, until_ms)

    def _standing(
        self, shape: _Shape, before: Standing, moments: Sequence[int], until_ms: int
    ) -> tuple[Standing, Sequence[str]] | None:
        started, waiting, since, limits = shape
        known = _names(renamed(before.breached, self.flow.renamed)) if before.breached else {}
        if known is None:
            return None
        next_ms: int | None = None
        if started is not None and self.flow.within_ms is not None:
            next_ms = moments[started] + self.flow.within_ms
            if next_ms < until_ms:
                return None
        late, missed = [], []
        for step, place, span_ms, until, waits in limits:
            deadline_ms = moments[place] + span_ms
            if deadline_ms < until_ms and (until is None or moments[until] > deadline_ms):
                if step not in known:
                    missed.append(step)
                if waits:
                    late.append(step)
            elif waits and (next_ms is None or deadline_ms < next_ms):
                next_ms = deadline_ms
        since_ms = min([moments[place] for place in since]) if since else None
        words = [name if name in late else f"{name}#0" for name in (*known, *missed)]
        due_ms = None if next_ms is None else next_ms + self._settling_ms + 1
        started_ms = None if started is None else moments[started]
        return Standing(started_ms, waiting, since_ms, due_ms, tuple(words)), missed

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


def _in_time(kinds: Sequence[str], moments: Sequence[int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """In the order of time; nothing if two were at once, as neither has its place in it."""
    pairs = sorted(zip(moments, kinds, strict=True))
    moments = tuple(moment for moment, _ in pairs)
    return (tuple(kind for _, kind in pairs), moments) if len(set(moments)) == len(moments) else ((), ())
