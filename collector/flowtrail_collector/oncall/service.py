"""Puts together what changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from flowtrail_collector.broker_names import RABBITMQ, rabbitmq_name
from flowtrail_collector.conditions import Condition
from flowtrail_collector.errors import StoreError
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.oncall.changes import (
    died,
    ended,
    group_ill,
    lost,
    part_failed,
    stuck,
    unmapped,
    unreadable,
)
from flowtrail_collector.oncall.model import MOST, SPAN_MS, Change, Kind, folded, ranked
from flowtrail_collector.oncall.outages import with_outages
from flowtrail_collector.oncall.ports import Groups, Keeper, Lately
from flowtrail_collector.oncall.troubles import Troubles
from flowtrail_collector.oncall.watch import Seen, Watch
from flowtrail_collector.sagas.stuck import diagnose_cause

__all__ = ["OnCall", "Report"]

_MOST_CAUSES = 100
_LOOK_SECONDS = 5.0
_LOOKS_FOR_STORE = 6
"""The store is asked only with every sixth look."""
_KEEP_MS = 60_000
_JUDGED_MS = 150_000
"""A group that was in trouble before a restart can be judged again after this time."""
_STORED = frozenset({Kind.STUCK, Kind.ENDED, Kind.DEAD_LETTERS})
_PARTS = frozenset({Kind.COLLECTOR})


@dataclass(frozen=True, slots=True)
class Report:
    """What changed, and what was looked at for it. Times are ms since the epoch.

    Attributes:
        at_ms: Of which moment it is.
        watched_ms: Since when groups and the collector's parts have been watched; None if they aren't yet.
        changes: The worst first, and then what ended.
        left_out: How many further ones there are.
        starting: The parts of the collector that are about to begin.
        lasting: How many groups have needed attention for longer than the span.
        groups: How many consumer groups there are; None while they aren't known.
        flows: How many flows there are.
        topics: How many topics have been read; None while they aren't known.
    """

    at_ms: int
    watched_ms: int | None
    changes: list[Change]
    left_out: int
    starting: Mapping[str, Condition]
    lasting: int
    groups: int | None
    flows: int
    topics: int | None


class OnCall:
    """A `Part` that looks every few seconds at what only knows its present, and tells what changed.

    Args:
        watch: Remembers since when things are as they are.
        groups: How consumer groups are.
        store: What the store knows.
        progress_of: How a consumer group is, for whoever waits for it.
        keeper: Keeps what is wrong for the next start; None to keep it in memory only.
        time_seconds: Wall clock, seconds since the epoch.
    """

    name = "oncall"
    problem: str | None = None

    def __init__(
        self,
        watch: Watch,
        groups: Groups,
        store: Lately,
        progress_of: GroupProgressOf,
        *,
        keeper: Keeper | None = None,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._watch = watch
        self._groups = groups
        self._store = store
        self._progress_of = progress_of
        self._keeper = keeper
        self._time_seconds = time_seconds
        self._lock = threading.Lock()
        self._troubles: Troubles | None = None
        self._earlier: dict[tuple[Kind, tuple[str, ...]], Change] = {}
        self._is_news = False
        self._kept_ms = 0

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set.

        Raises:
            StoreError: The store can't be asked.
        """
        looks = 0
        while not stop.is_set():
            self.look(stored=looks % _LOOKS_FOR_STORE == 0)
            looks += 1
            stop.wait(_LOOK_SECONDS)

    def look(self, *, stored: bool) -> None:
        """Look at everything once, and keep what is wrong.

        Args:
            stored: Also at what only the store knows.

        Raises:
            StoreError: The store can't be asked, or written.
        """
        self._watch.look()
        if stored or not self._watch.knows_topics:
            self._watch.look_at_topics()
        now_ms = self._now_ms()
        _, troubles = self._note(now_ms, stored=stored)
        self._keep(troubles, now_ms)

    def report(self, most: int = MOST) -> Report:
        """What changed, the worst first.

        Raises:
            StoreError: The store can't be asked.
        """
        self._watch.look_at_parts()  # what fails at once is told at once
        now_ms = self._now_ms()
        seen, troubles = self._note(now_ms, stored=True)
        going, over = troubles.shown(now_ms)
        changes = [*folded(going), *folded(over)]
        shown = ranked(changes, most)
        return Report(
            at_ms=now_ms,
            watched_ms=seen.began_ms,
            changes=shown,
            left_out=len(changes) - len(shown),
            starting=seen.starting,
            lasting=troubles.lasting(now_ms),
            groups=None if self._groups.collected_at is None else len(self._groups.readings),
            flows=len(self._store.known_flows()),
            topics=seen.topics,
        )

    def _now_ms(self) -> int:
        return int(self._time_seconds() * 1000)

    def _note(self, now_ms: int, *, stored: bool) -> tuple[Seen, Troubles]:
        """Take in how everything is."""
        with self._lock:
            troubles = self._troubles or self._remembered(now_ms)
            seen = self._watch.seen()
            readings = {each.group: each for each in self._groups.readings}
            present = list(self._watched(seen, readings))
            present += self._not_judged_yet(seen, readings, {change.key for change in present}, now_ms)
            collected = self._groups.collected_at is not None
            kinds = (frozenset(Kind) - _STORED if collected else _PARTS) if seen.began_ms else frozenset()
            if stored:
                present += self._stored(now_ms)
                kinds |= _STORED
            self._is_news |= troubles.look(present, kinds, now_ms)
        return seen, troubles

    def _remembered(self, now_ms: int) -> Troubles:
        known = [] if self._keeper is None else self._keeper.troubles(now_ms - SPAN_MS)
        self._earlier = {each.change.key: each.change for each in known if each.ended_ms is None}
        self._troubles = Troubles(known)
        return self._troubles

    def _keep(self, troubles: Troubles, now_ms: int) -> None:
        known, is_due = troubles.all(), now_ms - self._kept_ms >= _KEEP_MS
        if self._keeper is None or not (self._is_news or (known and is_due)):
            return
        self._is_news, self._kept_ms = False, now_ms
        try:
            self._keeper.keep(known, now_ms)
        except StoreError:
            self._is_news = True
            raise

    def _not_judged_yet(
        self,
        seen: Seen,
        readings: Mapping[str, GroupReading],
        present: set[tuple[Kind, tuple[str, ...]]],
        now_ms: int,
    ) -> Iterator[Change]:
        """Groups that were in trouble before a restart, and of which nothing tells yet that they aren't."""
        if seen.began_ms is None or now_ms - seen.began_ms > _JUDGED_MS:
            self._earlier = {}
        for key, change in self._earlier.items():
            reading = readings.get(change.name[0]) if change.kind is Kind.GROUP else None
            if reading is not None and reading.sum_lag != 0 and key not in present:
                yield change

    def _watched(self, seen: Seen, readings: Mapping[str, GroupReading]) -> Iterator[Change]:
        waited = self._store.waited_for()
        for group in seen.groups:
            reading = readings.get(group.name)
            if reading is None or (group.state == "losing" and group.name in seen.lost):
                continue
            yield group_ill(group, reading, _waiting_for(group.name, waited))
        for name, (records, since_ms) in seen.lost.items():
            yield lost(name, records, since_ms)
        blind = [part_failed(part) for part in seen.problems]
        for failure in seen.failures:
            names = _concerned(*failure.name, readings)
            blind.append(unreadable(failure, sum(_waiting_for(name, waited) for name in names)))
        unread = {broker: each.groups for broker, each in self._groups.unread().items()}
        yield from with_outages(blind, unread)
        for topic, (records, since_ms) in seen.unmapped.items():
            yield unmapped(topic, records, since_ms)

    def _stored(self, now_ms: int) -> Iterator[Change]:
        for cause in self._store.stuck_causes():
            why = diagnose_cause(cause, self._progress_of)
            progress = self._progress_of(why.by) if why.by else None
            queue = rabbitmq_name(progress.queue) if progress is not None and progress.queue else None
            if (change := stuck(cause, why, queue)) is not None:
                yield change
        for end in self._store.ended_lately(now_ms, SPAN_MS):
            if (change := ended(end)) is not None:
                yield change
        for letters in self._store.causes_lately(now_ms, SPAN_MS, _MOST_CAUSES):
            yield died(letters)


def _waiting_for(group: str, waited: Mapping[str, int]) -> int:
    """How many instances wait for a group; a queue of RabbitMQ is called after its topic and its group."""
    if not group.startswith(RABBITMQ):
        return waited.get(group, 0)
    return sum(n for name, n in waited.items() if group == RABBITMQ + name or group.endswith(f".{name}"))


def _concerned(scope: str, name: str, readings: Mapping[str, GroupReading]) -> Iterator[str]:
    """The groups that something unreadable concerns, as far as that can be told."""
    if scope == "group":
        yield name
    elif scope == "topic":
        for reading in readings.values():
            if any(part.topic == name for part in reading.slices):
                yield reading.group
