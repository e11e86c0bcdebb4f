"""How often a step was done and taken back: each occurrence is matched, in the order of time, with what undid it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from flowtrail_collector.sagas.model.flows import Flow, Step

__all__ = ["SETTLE_MS", "Account", "Mark", "Seen", "Settlement", "earliest", "nth", "settlement"]

Mark = tuple[int, str, int]
"""(record timestamp in milliseconds since the epoch, event type, hash of the causing event's id or 0).

The record's timestamp rather than the event's own time: it says when others could know of it. An event that
lay in an outbox for an hour was an hour late for everybody else."""

SETTLE_MS = 1_000
"""How much clocks of brokers and producers may disagree before an end is taken as final."""


class Seen:
    """When each type of event was seen in an instance.

    Args:
        events: The instance's events.

    Attributes:
        first: When each type was first seen.
        once: Whether no type was seen twice, as nearly always.
    """

    __slots__ = ("_events", "_every", "first", "once")

    def __init__(self, events: Mapping[int, Mark]) -> None:
        first: dict[str, int] = {}
        for time_ms, kind, _ in events.values():
            known = first.get(kind)
            if known is None or time_ms < known:
                first[kind] = time_ms
        self.first = first
        self.once = len(first) == len(events)
        self._events = events
        self._every: dict[str, list[int]] | None = None

    def moments(self, types: Iterable[str]) -> list[int]:
        """When any of the types was seen, however often, in the order of time."""
        if self.once:
            return sorted(self.first[kind] for kind in types if kind in self.first)
        if self._every is None:
            self._every = {}
            for time_ms, kind, _ in self._events.values():
                self._every.setdefault(kind, []).append(time_ms)
        return sorted(at for kind in types for at in self._every.get(kind, ()))


class Account:
    """What was done of a step and taken back, entered in the order of time.

    What is taken back is the oldest that still stands. A clock may be wrong by `SETTLE_MS`, so what was done
    that shortly after its own taking back is taken back; of what was taken back earlier the doing was not seen.

    Attributes:
        moments: When each occurrence was done, or, if only that was seen, taken back; ascending.
        owed: How many were done and not taken back.
        undone_ms: When the last of them was taken back; None if none was.
    """

    __slots__ = ("_spare", "moments", "owed", "undone_ms")

    def __init__(self) -> None:
        self.moments: list[int] = []
        self.owed = 0
        self.undone_ms: int | None = None
        self._spare: deque[int] = deque()

    @classmethod
    def of(cls, step: Step, seen: Seen) -> Account:
        """All that was seen of a step."""
        account = cls()
        entries = [(at, False) for at in seen.moments(step.done)]
        if step.undone:
            entries += [(at, True) for at in seen.moments(step.undone)]
            entries.sort()
        for at, undoes in entries:
            account.enter(at, undoes=undoes)
        return account

    def enter(self, at: int, *, undoes: bool) -> int:
        """Enter that the step was done, or taken back.

        Returns:
            By how much that changes what is owed.
        """
        return self._undone(at) if undoes else self._done(at)

    def _done(self, at: int) -> int:
        while self._spare and self._spare[0] < at - SETTLE_MS:
            self._spare.popleft()
        if self._spare:
            self._spare.popleft()
            return 0
        self.moments.append(at)
        self.owed += 1
        return 1

    def _undone(self, at: int) -> int:
        if self.owed:
            self.owed -= 1
            self.undone_ms = at
            return -1
        self._spare.append(at)
        self.moments.append(at)
        if self.undone_ms is None:
            self.undone_ms = at
        return 0


class Settlement(NamedTuple):
    """How far a cancellation has come.

    Attributes:
        ended_ms: When nothing was owed any more; None while something is.
        undone: Whether anything was taken back until then.
        owed: Of each step, how many times it has still to be undone.
    """

    ended_ms: int | None
    undone: bool
    owed: Mapping[str, int]


def settlement(flow: Flow, events: Mapping[int, Mark], cancelled_ms: int) -> Settlement:
    """How far a cancelled instance has been compensated.

    It is over at the first moment from the cancellation on at which nothing is owed, if nothing more is done
    in the second after it. What is done before that is owed too; what is done later is late.
    """
    moves = sorted((mark[0], *move) for mark in events.values() if (move := flow.owing.get(mark[1])))
    accounts: dict[str, Account] = {}
    place = owed = 0
    moment, undone = cancelled_ms, False
    while True:
        while place < len(moves) and moves[place][0] <= moment:
            at, undoes, name = moves[place]
            account = accounts.get(name)
            if account is None:
                account = accounts[name] = Account()
            owed += account.enter(at, undoes=undoes)
            undone = undone or undoes
            place += 1
        if not owed and not _done_soon(moves, place, moment):
            return Settlement(moment, undone, {})
        if place == len(moves):
            return Settlement(None, undone, {name: a.owed for name, a in accounts.items() if a.owed})
        moment = moves[place][0]


def _done_soon(moves: list[tuple[int, bool, str]], place: int, moment: int) -> bool:
    """Whether something more is done before clocks agree that the moment is past."""
    for number in range(place, len(moves)):
        at, undoes, _ = moves[number]
        if at > moment + SETTLE_MS:
            return False
        if not undoes:
            return True
    return False


def earliest(first: Mapping[str, int], types: tuple[str, ...]) -> int | None:
    """When any of the types was first seen."""
    if len(types) == 1:  # nearly always; this is called for every step of every event
        return first.get(types[0])
    earliest = None
    for kind in types:
        moment = first.get(kind)
        if moment is not None and (earliest is None or moment < earliest):
            earliest = moment
    return earliest


def nth(moments: Sequence[int], times: int) -> int | None:
    """The moment at which something had happened so many times."""
    return moments[times - 1] if len(moments) >= times else None
