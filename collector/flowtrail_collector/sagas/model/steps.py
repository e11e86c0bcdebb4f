"""How the steps of a saga instance stand, by its events."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from flowtrail_collector.sagas.model.failures import failed_ms
from flowtrail_collector.sagas.model.flows import Flow, Step
from flowtrail_collector.sagas.model.occurrences import Account, Tally, tally
from flowtrail_collector.sagas.model.seen import Mark, Seen, earliest

__all__ = ["StepProgress", "StepState", "Steps", "asked_ms", "not_done", "turn_of"]


class StepState(StrEnum):
    """How a step stands."""

    WAITING = "waiting"
    """Its turn hasn't come."""
    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    SKIPPED = "skipped"
    """Another one was done instead of it."""


# Asked of its class, a member costs six times as much, and this is asked for every step that is waited for.
_WAITING, _OPEN, _FAILED = StepState.WAITING, StepState.OPEN, StepState.FAILED


class StepProgress(NamedTuple):
    """How one step of an instance stands. Times are milliseconds since the epoch.

    Attributes:
        step: What the flow file says of it.
        state: How it stands.
        since_ms: When its turn came.
        until_ms: When it was first done as often as it takes, or failed, or another one was done instead of it.
        deadline_ms: By when it should be done; None if there is no limit or its turn hasn't come.
        undone_ms: When the last was taken back of what had been done; None while something stands.
        waits: Whether the instance waits for it: to be done, or, if it failed, for the cancellation to follow.
        due_ms: By when what it waits for should have happened.
        round_ms: What is said of it counts from then on, when its turn came anew; 0 in its first round.
        tally: How often it was done, where that isn't once.
    """

    step: Step
    state: StepState
    since_ms: int | None = None
    until_ms: int | None = None
    deadline_ms: int | None = None
    undone_ms: int | None = None
    waits: bool = False
    due_ms: int | None = None
    round_ms: int = 0
    tally: Tally | None = None

    @property
    def waits_since_ms(self) -> int | None:
        """Since when there is something to wait for."""
        return self.until_ms if self.state is _FAILED else self.since_ms


def asked_ms(item: StepProgress, events: Mapping[int, Mark]) -> int | None:
    """When a step was first asked for in its round; None if it wasn't, or needn't be."""
    asks = item.step.asks
    moments = [mark[0] for mark in events.values() if mark[1] in asks and mark[0] >= item.round_ms]
    return min(moments, default=None)


class Steps:
    """How the steps of one instance stand.

    Args:
        flow: What is said of them.
        seen: When the instance's events were seen.
        started: When the instance started.
        ended: Whether an end was seen, so that nobody waits any more.
    """

    def __init__(self, flow: Flow, seen: Seen, started: int | None, *, ended: bool) -> None:
        self._flow = flow
        self._seen = seen
        self._first = first = seen.first
        self._started = started
        self._ended = ended
        self._alternatives = flow.alternatives
        self._accounts: dict[str, Account] = {}
        self._tallies: dict[str, Tally] = {}
        self._done: dict[str, int | None] = {}
        for step in flow.steps:
            if step.single and (not step.undone or earliest(first, step.undone) is None):
                self._done[step.name] = earliest(first, step.done)
                continue
            account = self._accounts[step.name] = Account.of(step, seen)
            self._tell(step, tally(step, seen, None, account))
        self._turns: dict[str, int | None] = {}
        self._rounds: dict[str, int] = {}

    def all(self) -> tuple[StepProgress, ...]:
        """In the order of the flow, which has no step before those that it comes after."""
        passed: dict[str, int | None] = {}
        renewed = not self._flow.renewing.isdisjoint(self._first)
        for step in self._flow.steps:
            name, first = step.name, step.instead_of
            if first is not None:  # alternatives have every turn together
                self._turns[name], passed[name] = self._turns[first], passed[first]
                continue
            came = turn = turn_of(step, passed, self._started)
            if renewed:
                came = self._renewed(step, came)
                turn = self._brought_anew(step, came)
            self._turns[name] = turn
            # Nobody waits for an optional step: whether it is done, or tried again, must not change whose turn it was.
            passed[name] = came if step.optional else self._done_by_any(step)
        if not (self._rounds or self._tallies):
            return tuple([self._step(step) for step in self._flow.steps])
        return tuple([self._with_more(self._step(step)) for step in self._flow.steps])

    def _with_more(self, item: StepProgress) -> StepProgress:
        """In which round the step is, and how often it was done."""
        name = item.step.name
        return item._replace(round_ms=self._rounds.get(name, 0), tally=self._tallies.get(name))

    def _renewed(self, step: Step, turn: int | None) -> int | None:
        """When the step's turn came for the last time by the file's word."""
        again = self._seen.moments(self._flow.again.get(step.name, ()))
        if not again:
            return turn
        self._begin_round(self._alternatives.get(step.name, (step,)), again[-1])
        return None if turn is None else max(turn, again[-1])

    def _brought_anew(self, step: Step, turn: int | None) -> int | None:
        """When what brings the step's turn brought it for the last time, as it had failed since then."""
        group = self._alternatives.get(step.name, (step,))
        while turn is not None:
            brought = self._brought(step, group, turn)
            done = self._done_by_any(step)
            if brought is None or (done is not None and done < brought):
                break
            self._begin_round(group, brought)
            turn = brought
        return turn

    def _brought(self, step: Step, group: tuple[Step, ...], turn: int) -> int | None:
        """When what brings the step's turn happened again while the step and its alternatives stood failed."""
        if self._failed_by_all(group) is None and all(other.children is None for other in group):
            return None  # only children that begin again make a failed step one that isn't
        every = self._seen.moments(self._flow.brings[step.name])
        return next((at for at in every if at > turn and self._failed_by_all(group, at) is not None), None)

    def _begin_round(self, group: tuple[Step, ...], begin: int) -> None:
        for step in group:
            self._rounds[step.name] = begin
            account = self._accounts.get(step.name)
            self._tell(step, tally(step, self._seen, begin, account))

    def _tell(self, step: Step, found: Tally) -> None:
        self._done[step.name] = found.done_ms
        if not step.single:
            self._tallies[step.name] = found

    def _failed(self, step: Step, until: int | None = None) -> int | None:
        """When the step failed in this round, if it stood failed before a moment; None: now."""
        return failed_ms(step, self._seen, self._rounds.get(step.name), until)

    def _failed_by_all(self, group: tuple[Step, ...], until: int | None = None) -> int | None:
        """When the last of a step and its alternatives failed in this round; None if one hasn't."""
        moments = [moment for step in group if (moment := self._failed(step, until)) is not None]
        return max(moments) if len(moments) == len(group) else None

    def _done_by_any(self, step: Step) -> int | None:
        """When the step or one of its alternatives was done."""
        group = self._alternatives.get(step.name)
        if group is None:
            return self._done[step.name]
        return min((at for other in group if (at := self._done[other.name]) is not None), default=None)

    def _step(self, step: Step) -> StepProgress:
        since = self._turns[step.name]
        deadline = None if since is None else self._deadline(step, since)
        done = self._done[step.name]
        undone = self._undone(step) if self._accounts else None
        if undone is not None and (done is not None or self._ended):
            return StepProgress(step, StepState.UNDONE, since, done, deadline, undone)
        if done is not None:
            return StepProgress(step, StepState.DONE, since, done, deadline)
        instead = self._done_by_any(step)
        failed = self._failed(step)
        if failed is not None:
            called_for = self._calls_for_cancellation(step, since) if instead is None else None
            return not_done(step, since, deadline, failed, called_for, ended=self._ended)
        if instead is not None:
            return StepProgress(step, StepState.SKIPPED, since, instead, deadline)
        return not_done(step, since, deadline, None, None, ended=self._ended)

    def _undone(self, step: Step) -> int | None:
        """When everything that was done of a step had been taken back; None if something stands, or nothing was done."""
        account = self._accounts.get(step.name)
        return None if account is None or account.owed else account.undone_ms

    def _deadline(self, step: Step, since: int) -> int | None:
        """By when it should be done. Of alternatives, none is late before all are: nobody knows which it will be."""
        group = self._alternatives.get(step.name)
        if group is None:
            return None if step.within_ms is None else since + step.within_ms
        spans = [other.within_ms for other in group]
        return None if None in spans else since + max(span for span in spans if span is not None)

    def _calls_for_cancellation(self, step: Step, since: int | None) -> int | None:
        """Since when the cancellation, or another round, should follow a failed step; None if neither has to."""
        if since is None or step.optional or not (self._flow.cancels or step.name in self._flow.again):
            return None
        failed = self._failed_by_all(self._alternatives.get(step.name, (step,)))
        return None if failed is None else max(since, failed)  # None: another one may still be done instead


def turn_of(step: Step, passed: Mapping[str, int | None], started: int | None) -> int | None:
    """When a step's turn came: with the start, or when the last of the steps before it was done."""
    if not step.after:
        return started
    latest: int | None = None
    for name in step.after:
        moment = passed[name]
        if moment is None:
            return None
        if latest is None or moment > latest:
            latest = moment
    return latest


def not_done(
    step: Step,
    since: int | None,
    deadline: int | None,
    failed: int | None,
    called_for: int | None,
    *,
    ended: bool,
) -> StepProgress:
    """How a step stands that was not done, nor another one instead of it.

    Args:
        step: What the flow file says of it.
        since: When its turn came.
        deadline: By when it should be done.
        failed: When it failed.
        called_for: Since when the cancellation, or another round, should follow that.
        ended: Whether nobody waits any more.
    """
    if failed is not None:
        due = None if called_for is None or step.within_ms is None else called_for + step.within_ms
        waits = called_for is not None and not ended
        return StepProgress(step, _FAILED, since, failed, deadline, None, waits, due)
    waits = since is not None and not ended and not step.optional
    state = _OPEN if waits else _WAITING
    return StepProgress(step, state, since, None, deadline, None, waits, deadline)
