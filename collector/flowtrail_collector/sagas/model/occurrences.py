"""How often a step was done and taken back: each occurrence is matched, in the order of time, with what undid it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flowtrail_collector.sagas.model.fields import MOST_TIMES, CountFrom, Field
from flowtrail_collector.sagas.model.flows import SETTLE_MS, Children, Flow, Step
from flowtrail_collector.sagas.model.news import broods
from flowtrail_collector.sagas.model.seen import Mark, Seen, value_of

__all__ = ["SETTLE_MS", "Account", "Settlement", "Tally", "settlement", "tally"]


class Account:
    """What was done of a step and taken back, entered in the order of time.

    What is taken back is the oldest that still stands. A clock may be wrong by `SETTLE_MS`, so what was done
    that shortly after its own taking back is taken back; of what was taken back earlier the doing was not seen.

    Args:
        one: It is of one thing, named by its id: done again while it stands, it was reported twice.

    Attributes:
        moments: When each occurrence was done, or, if only that was seen, taken back; ascending.
        ids: Of each of them, where the step has ids.
        owed: How many were done and not taken back.
        undone_ms: When the last of them was taken back; None if none was.
    """

    __slots__ = ("_one", "_spare", "ids", "moments", "owed", "undone_ms")

    def __init__(self, *, one: bool = False) -> None:
        self.moments: list[int] = []
        self.ids: list[str] = []
        self.owed = 0
        self.undone_ms: int | None = None
        self._one = one
        self._spare: deque[int] = deque()

    @classmethod
    def of(cls, step: Step, seen: Seen) -> Account:
        """All that was seen of a step."""
        if step.of is not None and step.children is None:  # what takes a child back doesn't say which
            return cls._of_each(step, step.of, seen)
        account = cls()
        entries = [(at, False) for at in seen.moments(step.done)]
        if step.undone:
            entries += [(at, True) for at in seen.moments(step.undone)]
            entries.sort()
        for at, undoes in entries:
            account.enter(at, undoes=undoes)
        return account

    @classmethod
    def _of_each(cls, step: Step, field: Field, seen: Seen) -> Account:
        """The sum of one account for each id; events without one have an account of their own."""
        entries = [(at, False, own) for at, own in seen.told(step.done, field)]
        entries += [(at, True, own) for at, own in seen.told(step.undone, field)]
        accounts: dict[str, Account] = {}
        for at, undoes, own in sorted(entries):
            account = accounts.get(own)
            if account is None:
                account = accounts[own] = cls(one=bool(own))
            account.enter(at, undoes=undoes)
        whole = cls()
        every = sorted((at, own) for own, account in accounts.items() for at in account.moments)
        whole.moments, whole.ids = [at for at, _ in every], [own for _, own in every]
        whole.owed = sum(account.owed for account in accounts.values())
        undone = [account.undone_ms for account in accounts.values() if account.undone_ms is not None]
        whole.undone_ms = max(undone, default=None)
        return whole

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
            if not self._one:
                self._spare.popleft()
            return 0
        self.moments.append(at)
        if self._one and self.owed:
            return 0
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


class Tally(NamedTuple):
    """How often a step was done.

    Attributes:
        done_ms: The first moment at which that was as often as it took by then; None if it never was.
        so_far: How often.
        times: How often it takes; None while no event has said so.
    """

    done_ms: int | None
    so_far: int
    times: int | None


class Settlement(NamedTuple):
    """How far a cancellation has come.

    Attributes:
        ended_ms: When nothing was owed any more; None while something is.
        undone: Whether anything was taken back until then.
        owed: Of each step, how many times it has still to be undone.
        ids: Of each step with ids, which of them have.
    """

    ended_ms: int | None
    undone: bool
    owed: Mapping[str, int]
    ids: Mapping[str, tuple[str, ...]] = {}


def settlement(flow: Flow, events: Mapping[int, Mark], cancelled_ms: int) -> Settlement:
    """How far a cancelled instance has been compensated.

    It is over at the first moment from the cancellation on at which nothing is owed, if nothing more is done
    in the second after it. What is done before that is owed too; what is done later is late.
    """
    moves = sorted(_moves(flow, events))
    accounts: dict[tuple[str, str], Account] = {}
    place = owed = 0
    moment, undone = cancelled_ms, False
    while True:
        while place < len(moves) and moves[place][0] <= moment:
            at, undoes, *name = moves[place]
            account = accounts.get((name[0], name[1]))
            if account is None:
                account = accounts[name[0], name[1]] = Account(one=bool(name[1]))
            owed += account.enter(at, undoes=undoes)
            undone = undone or undoes
            place += 1
        if not owed and not _done_soon(moves, place, moment):
            return Settlement(moment, undone, {})
        if place == len(moves):
            return _unsettled(undone, accounts)
        moment = moves[place][0]


def _moves(flow: Flow, events: Mapping[int, Mark]) -> Iterator[tuple[int, bool, str, str]]:
    """What makes a step owed or takes it back: (when, takes it back, the step, which of its ids)."""
    for mark in events.values():
        move = flow.owing.get(mark[1])
        if move is not None:
            field = flow.ids.get(move[1])
            yield mark[0], *move, "" if field is None else value_of(mark, field)


def _unsettled(undone: bool, accounts: Mapping[tuple[str, str], Account]) -> Settlement:
    owed: Counter[str] = Counter()
    ids: dict[str, tuple[str, ...]] = {}
    for (name, own), account in accounts.items():
        if account.owed:
            owed[name] += account.owed
            if own:
                ids[name] = (*ids.get(name, ()), own)
    return Settlement(None, undone, owed, ids)


def _done_soon(moves: list[tuple[int, bool, str, str]], place: int, moment: int) -> bool:
    """Whether something more is done before clocks agree that the moment is past."""
    for number in range(place, len(moves)):
        at, undoes = moves[number][:2]
        if at > moment + SETTLE_MS:
            return False
        if not undoes:
            return True
    return False


def tally(step: Step, seen: Seen, begin: int | None = None, account: Account | None = None) -> Tally:
    """How often a step was done.

    Args:
        step: What the flow file says of it.
        seen: The instance's events.
        begin: Count only from this moment on.
        account: Where what was taken back counts as done, even if its doing was not seen.
    """
    times = step.times
    if step.children is not None:
        return _of_children(step, step.children, seen, begin)
    if account is not None:
        moments, ids = account.moments, account.ids
    elif step.of is None:
        moments, ids = seen.moments(step.done), []
    else:
        every = seen.told(step.done, step.of)
        moments, ids = [at for at, _ in every], [own for _, own in every]
    place = 0 if begin is None else bisect_left(moments, begin)
    moments = _each_once(moments[place:], ids[place:])
    if isinstance(times, CountFrom):
        return _counted(_said(times, seen), [(at, often) for often, at in enumerate(moments, 1)], begin)
    return Tally(moments[times - 1] if len(moments) >= times else None, len(moments), times)


def _of_children(step: Step, children: Children, seen: Seen, begin: int | None) -> Tally:
    """How many of the children have ended well, as they stand."""
    found, times = broods(children, seen, begin), step.times
    arrived = [(brood.at_ms, brood.arrived) for brood in found]
    if isinstance(times, CountFrom):
        return _counted(_said(times, seen), arrived, begin)
    if children.all and times == 1:
        return _counted([(brood.at_ms, brood.begun) for brood in found], arrived, begin)
    done_ms = next((at for at, often in arrived if often >= times), None)
    return Tally(done_ms, arrived[-1][1] if arrived else 0, times)


def _said(times: CountFrom, seen: Seen) -> list[tuple[int, int]]:
    """What events said of how many it takes, and when."""
    return [(at, int(text)) for at, text in seen.told(times.types, times.field) if text.isdecimal()]


def _each_once(moments: list[int], ids: Sequence[str]) -> list[int]:
    """The first moment of each id, and all of those without one."""
    if not ids:
        return moments
    known: set[str] = set()
    found = []
    for at, own in zip(moments, ids, strict=True):
        if not own or own not in known:
            found.append(at)
            known.add(own)
    return found


def _counted(said: Sequence[tuple[int, int]], often: Sequence[tuple[int, int]], begin: int | None) -> Tally:
    """When it had been done as often as it took by then.

    Args:
        said: How many it takes, and when that was said. Of several the newest counts; of one moment, the greatest.
        often: How often it had been done after a moment, in the order of time.
        begin: Count only from this moment on.
    """
    so_far = often[-1][1] if often else 0
    if not said:
        return Tally(None, so_far, None)
    first = said[0][0] if begin is None else max(said[0][0], begin)
    for at in sorted({first, *(at for at, _ in often), *(at for at, _ in said)}):
        needed = said[bisect_right(said, (at, MOST_TIMES)) - 1][1]
        place = bisect_right(often, (at, MOST_TIMES))
        if at >= first and (often[place - 1][1] if place else 0) >= needed:
            return Tally(at, so_far, said[-1][1])
    return Tally(None, so_far, said[-1][1])
