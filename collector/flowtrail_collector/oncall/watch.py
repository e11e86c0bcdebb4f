"""Looks every few seconds at what only knows its present, and remembers since when it is so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from flowtrail_collector.conditions import Condition, PartState, unready
from flowtrail_collector.lag.model import Status
from flowtrail_collector.lag.words import needs_attention
from flowtrail_collector.oncall.memory import Growth, Lasting, States
from flowtrail_collector.oncall.model import SPAN_MS
from flowtrail_collector.oncall.ports import Groups, Lately

__all__ = ["Seen", "Watch"]

_OWN = "oncall"
_FIRST_LOOK_MS = 60_000
"""For so long a collector that has read no topic yet may just not have got to it."""


class Seen(NamedTuple):
    """What was seen, all of one moment.

    Attributes:
        began_ms: When the first look was, ms since the epoch; None before that.
        groups: Status of each group that needs attention, and since when it has needed it as far as looks tell.
        problems: What keeps a part of the collector from working.
        starting: The parts of the collector that are about to begin.
        failures: What of the brokers' can't be read, by scope and name.
        lost: How many records each group lost to retention within the span, and since when.
        unmapped: How many records of each topic could not be mapped within the span, and since when.
        topics: How many topics have been read; None before the first time they were.
    """

    began_ms: int | None
    groups: list[Lasting[str, str]]
    problems: list[Lasting[str, str]]
    starting: Mapping[str, Condition]
    failures: list[Lasting[tuple[str, str], str]]
    lost: dict[str, tuple[int, int]]
    unmapped: dict[str, tuple[int, int]]
    topics: int | None


class Watch:
    """Looks when it is told to, and tells what it saw.

    Args:
        groups: How consumer groups are.
        store: What was read of topics.
        conditions: How each part of the collector is.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        groups: Groups,
        store: Lately,
        conditions: Callable[[], Mapping[str, Condition]],
        *,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._lag = groups
        self._store = store
        self._conditions = conditions
        self._time_seconds = time_seconds
        self._lock = threading.Lock()
        self._began_ms: int | None = None
        # Whatever ails a group, it is one trouble, from when it was well to when it is again.
        self._ill = States[str, bool](may_be_old=True)
        self._status: dict[str, str] = {}
        # What is said of one trouble may differ each time.
        self._problems = States[str, str](begins_anew=False)
        self._starting: Mapping[str, Condition] = {}
        self._failures = States[tuple[str, str], str](begins_anew=False)
        self._lost = Growth[str](SPAN_MS)
        self._unmapped = Growth[str](SPAN_MS)
        self._topics: int | None = None

    @property
    def knows_topics(self) -> bool:
        """Whether any topic has been read as far as was seen."""
        return bool(self._topics)

    def look(self) -> None:
        """Look at consumer groups, at what brokers don't tell, and at the collector's own parts."""
        now_ms = int(self._time_seconds() * 1000)
        self.look_at_parts()
        collected = self._lag.collected_at is not None
        readings = self._lag.readings if collected else []
        failures = self._lag.overview(limit=0)["failures"] if collected else []
        with self._lock:
            if self._began_ms is None:
                self._began_ms = now_ms
            if not collected:
                return
            # One whose status isn't known at present is as it was.
            status = {each.group: _name(each.status) for each in readings}
            known = {name: found or self._status.get(name) for name, found in status.items()}
            self._status = {name: found for name, found in known.items() if found}
            self._ill.look({name: needs_attention(found) for name, found in self._status.items()}, now_ms)
            self._failures.look({(each["scope"], each["name"]): each["reason"] for each in failures}, now_ms)
            self._lost.look({each.group: sum(each.topics.lost) for each in readings}, now_ms)

    def look_at_parts(self) -> None:
        """Look at the collector's own parts."""
        now_ms = int(self._time_seconds() * 1000)
        found = {name: each for name, each in unready(self._conditions()).items() if name != _OWN}
        starting = {name: each for name, each in found.items() if each.state is PartState.STARTING}
        failing = {name: each.reason or "" for name, each in found.items() if name not in starting}
        with self._lock:
            self._problems.look(failing, now_ms)
            self._starting = starting

    def look_at_topics(self) -> None:
        """Look at what was read of topics.

        Raises:
            StoreError: The store can't be asked.
        """
        topics = self._store.topics_read()
        now_ms = int(self._time_seconds() * 1000)
        with self._lock:
            is_over = self._began_ms is not None and now_ms - self._began_ms >= _FIRST_LOOK_MS
            self._topics = len(topics) if topics or is_over else None
            counts = {each.topic: each.mapping_problems for each in topics}
            self._unmapped.look(counts, now_ms)

    def seen(self) -> Seen:
        """What was seen so far."""
        with self._lock:
            return Seen(
                began_ms=self._began_ms,
                groups=[
                    Lasting(each.name, self._status[each.name], each.since_ms, each.seen_ms)
                    for each in self._ill.all()
                    if each.state
                ],
                problems=self._problems.all(),
                starting=self._starting,
                failures=self._failures.all(),
                lost=self._lost.grown(),
                unmapped=self._unmapped.grown(),
                topics=self._topics,
            )


def _name(status: Status | None) -> str | None:
    return None if status is None else status.name.lower()
