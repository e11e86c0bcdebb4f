"""What is sampled: figures that the other slices have anyway, none of them counted anew."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Generic, TypeVar

from flowtrail_collector.causes import normalised
from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.letter import PENDING, Selection
from flowtrail_collector.history.model.blocks import Kind, Name
from flowtrail_collector.history.ports import Figures
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.metrics.counts import Counters
from flowtrail_collector.topology.model import Edge, EdgeKey

__all__ = [
    "DEAD_LETTERS", "EDGES", "KINDS", "LAG", "MESSAGES", "OUTCOMES", "SECONDS", "STARTED", "STEPS", "DeadLetterSource",
    "EdgeSource", "LagSource", "OutcomeSource", "StepSource", "cause_of",
]  # fmt: skip

T = TypeVar("T")

LAG, OUTCOMES, STEPS, DEAD_LETTERS, EDGES = "lag", "outcomes", "steps", "dead letters", "edges"
KINDS = {
    LAG: Kind.GAUGE, OUTCOMES: Kind.COUNTER, STEPS: Kind.COUNTER, DEAD_LETTERS: Kind.GAUGE, EDGES: Kind.COUNTER,
}  # fmt: skip
MESSAGES, SECONDS = "messages", "seconds"
"""Second part of a name in `lag`; seconds are kept in milliseconds."""
STARTED = "started"
"""Beside the outcomes: an instance that began."""

_MAX_GROUPS = 1_000
_MAX_CAUSES = 100
_MAX_COUNTERS = 5_000
_MAX_TEXT = 160
# Lag that is older than this, and than two and a half pauses between collections, says nothing of this minute.
_FRESH_SECONDS = 90.0
_FRESH_INTERVALS = 2.5


class LagSource:
    """How many messages each group has still to read, and for how long the oldest of them has waited.

    Args:
        view: The last collection's readings.
        interval_seconds: Pause between two collections.
    """

    of, kind = LAG, Kind.GAUGE

    def __init__(self, view: LagView, interval_seconds: float) -> None:
        self._view = view
        self._fresh = max(_FRESH_SECONDS, interval_seconds * _FRESH_INTERVALS)

    def figures(self, now: float) -> Figures | None:
        """See `Source.figures`; a group whose figures are old, or partly unknown, is left out."""
        if not self._is_fresh(self._view.collected_at, now):
            return None
        readings = [reading for reading in self._view.readings if self._is_fresh(reading.read_at, now)]
        values: dict[Name, int] = {}
        for reading in _most_behind(readings):
            if reading.sum_lag is not None:
                values[reading.group, MESSAGES] = reading.sum_lag
            if reading.max_seconds is not None:
                values[reading.group, SECONDS] = round(reading.max_seconds * 1000)
        return Figures(values, whole=False)

    def _is_fresh(self, at: float | None, now: float) -> bool:
        return at is not None and abs(now - at) <= self._fresh


def _most_behind(readings: Sequence[GroupReading]) -> Sequence[GroupReading]:
    """As many as are kept; beyond that, those with the least lag change from sample to sample, and have gaps."""
    if len(readings) <= _MAX_GROUPS:
        return readings
    by_name = sorted(readings, key=attrgetter("group"))
    return sorted(by_name, key=lambda reading: -(reading.sum_lag or 0))[:_MAX_GROUPS]


class _WhileRead(ABC, Generic[T]):
    """Figures about what happens, of which nothing is known while events aren't being read.

    Args:
        told_by: Tells them.
        is_read: Whether events are being read.
    """

    def __init__(self, told_by: T, is_read: Callable[[], bool]) -> None:
        self._told_by = told_by
        self._is_read = is_read

    def figures(self, now: float) -> Figures | None:
        """See `Source.figures`."""
        return self._read(now) if self._is_read() else None

    @abstractmethod
    def _read(self, now: float) -> Figures: ...


class OutcomeSource(_WhileRead[Counters]):
    """How many instances of each flow started, and how they ended, told by the store's counters."""

    of, kind = OUTCOMES, Kind.COUNTER

    def _read(self, now: float) -> Figures:
        started = self._told_by.counters("saga_started").items()
        values: dict[Name, int] = {(*labels, STARTED): int(value) for (_, labels), value in started}
        ended = self._told_by.counters("saga_ended").items()
        values.update({labels: int(value) for (_, labels), value in ended})
        return _bounded(values)


class StepSource(_WhileRead[Counters]):
    """How many steps of each flow took how long: one of the store's counters for each bucket of their durations."""

    of, kind = STEPS, Kind.COUNTER

    def _read(self, now: float) -> Figures:
        found = self._told_by.counters("saga_step_duration_seconds_bucket").items()
        return _bounded({labels: int(value) for (_, labels), value in found})


class EdgeSource(_WhileRead[Callable[[], Mapping[EdgeKey, Edge]]]):
    """How many reactions went over each edge, told by whatever reads all edges."""

    of, kind = EDGES, Kind.COUNTER

    def _read(self, now: float) -> Figures:
        return _bounded(
            {(key.source, key.topic, key.target): edge.events for key, edge in self._told_by().items()}
        )


class DeadLetterSource(_WhileRead[DeadLetterLists]):
    """How many dead letters of each cause are pending; of more causes than are kept, those that came last."""

    of, kind = DEAD_LETTERS, Kind.GAUGE

    def _read(self, now: float) -> Figures:
        rows = self._told_by.list_causes(Selection(state=PENDING), int(now * 1000), _MAX_CAUSES + 1)
        kept = rows[:_MAX_CAUSES]
        return Figures({_name_of(row): row.letters for row in kept}, whole=len(kept) == len(rows))


def _name_of(row: CauseRow) -> Name:
    """A cause by its fingerprint, and what it says of itself: it may be asked for when its dead letters are gone."""
    if row.cause is None:  # of any kind: what one of them says isn't true of the others
        return "", json.dumps([None] * 4)
    letter = row.example
    message = None if letter.error_message is None else normalised(letter.error_message)
    words = (letter.group, letter.event_type, letter.error_type, message)
    return row.cause, json.dumps([None if word is None else word[:_MAX_TEXT] for word in words])


def cause_of(name: Name) -> dict[str, str | None]:
    """What a name in `dead letters` says."""
    words = json.loads(name[1])
    return dict(
        zip(("cause", "group", "event_type", "error_type", "message"), (name[0] or None, *words), strict=True)
    )


def _bounded(values: dict[Name, int]) -> Figures:
    """The largest counters; a store has fewer, unless somebody makes names up."""
    if len(values) <= _MAX_COUNTERS:
        return Figures(values, whole=True)
    largest = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:_MAX_COUNTERS]
    return Figures(dict(largest), whole=False)
