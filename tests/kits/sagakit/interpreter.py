"""What the docs' words say of an instance, told by brute force; shares no code with the collector.

Flows are as their file has them, after `sagakit.histories`; a history is what happened: (ms since the epoch, type,
the id or the number in its payload).
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import NamedTuple

from sagakit.amounts import FAR_MS, enough, enough_ms, failing_ms, first_failed_ms, left_open, owed, times_of

__all__ = ["FAR_MS", "Became", "Playing", "end_of", "fate_of", "instances_of", "left_open",
           "times_of"]  # fmt: skip


def end_of(flow, history):
    """(outcome, when it ended, steps that are owed), by trying every moment."""
    undoable = {name: step for name, step in flow["steps"].items() if "undone" in step}
    completed = []
    for kind in flow["completes"]:
        step = next((s for s in flow["steps"].values() if kind in s["done"]), {"done": [kind]})
        if "times" not in step:
            step = {"done": [kind]}
        moment = enough_ms(step, history)
        completed += [] if moment is None else [moment]
    cancelled = cancelled_ms(flow, history)
    over = None
    if cancelled is not None:
        for moment in sorted({cancelled, *(item.at for item in history if item.at > cancelled)}):
            more = any(
                moment < at <= moment + 1_000
                for s in undoable.values()
                for at in times_of(history, s["done"])
            )
            if not more and not any(owed(step, history, moment) for step in undoable.values()):
                over = moment
                break
    if completed and (over is None or completed[0] <= over):
        return "completed", completed[0], None
    if cancelled is None:
        return "open", None, ()
    if over is None:
        return "open", None, tuple(name for name, step in undoable.items() if owed(step, history, FAR_MS))
    undone = any(times_of(history, step["undone"], over) for step in undoable.values())
    return ("compensated" if undone else "failed"), over, ()


def cancelled_ms(flow, history):
    """When it was cancelled, or, where nothing cancels it, all ways had failed of a step that has to be done."""
    if "cancels" in flow:
        return min(times_of(history, flow["cancels"]), default=None)
    playing = Playing(flow)
    needed = {
        playing.first[name] for name in flow["steps"] if not (playing.again(name) or playing.optional(name))
    }
    failed = []
    for name in needed:
        ways = [first_failed_ms(flow["steps"][way], history) for way in playing.group(name)]
        failed += [] if None in ways else [max(ways)]
    return min(failed, default=None)


class Playing:
    """Steps without `undone`, played forward moment by moment."""

    @classmethod
    def of(cls, flow, history):
        playing = cls(flow)
        for moment, group in itertools.groupby(sorted(history), key=lambda item: item[0]):
            playing.at(moment, list(group))
        return playing

    def __init__(self, flow):
        self.steps = flow["steps"]
        self.first, self.after = {}, {}
        before = ["start"]
        for name, step in self.steps.items():
            self.first[name] = first = self.first.get(step.get("instead_of"), name)
            wanted = self.after[first] if first != name else step.get("after", before)
            self.after[name] = [] if wanted == ["start"] else wanted
            before = before if first != name or step.get("optional") else [name]
        self.start = None
        self.begin, self.turn, self.done, self.failed = ({} for _ in range(4))
        self.history = []

    def group(self, name):
        return [other for other in self.steps if self.first[other] == self.first[name]]

    def optional(self, name):
        return self.steps[self.first[name]].get("optional", False)

    def again(self, name):
        types = set(self.steps[self.first[name]].get("again_after", ()))
        return types.union(*(self.again(before) for before in self.after[name]))

    def brings(self, name):
        found = set() if self.after[name] else {"Start"}
        for before in self.after[name]:
            done = {kind for other in self.group(before) for kind in self.steps[other]["done"]}
            found |= self.brings(before) if self.optional(before) else done
        return found.union(*(self.steps[other].get("asks", ()) for other in self.group(name)))

    def asked(self, name):
        """When it was first asked for in its round."""
        return min(
            (
                item.at
                for item in self.history
                if item.kind in self.steps[name].get("asks", ()) and item.at >= self.begin.get(name, 0)
            ),
            default=None,
        )

    def done_by_any(self, name):
        return min((self.done[other] for other in self.group(name) if other in self.done), default=None)

    def failed_by_all(self, name):
        moments = [self.failed.get(other) for other in self.group(name)]
        return None if None in moments or self.done_by_any(name) is not None else max(moments)

    def renew(self, name, at):
        self.begin[name] = at
        for known in (self.turn, self.done, self.failed):
            known.pop(name, None)

    def at(self, moment, happened):
        self.history += happened
        kinds = Counter(item.kind for item in happened)
        if "Start" in kinds and self.start is None:
            self.start = moment
        anew = set()
        for name in self.steps:
            failed = self.failed_by_all(name)
            brought = failed is not None and name in self.turn and self.brings(name) & kinds.keys()
            if self.again(name) & kinds.keys() or brought:
                anew.add(name)
        for name in anew:
            self.renew(name, moment)
        for name, step in self.steps.items():
            if enough(step, self.history, self.begin.get(name, 0)):
                self.done.setdefault(name, moment)
            if "children" in step:
                self.failed[name] = failing_ms(step, self.history, self.begin.get(name, 0))
            elif any(kind in kinds for kind in step.get("failed", ())):
                self.failed.setdefault(name, moment)
        for name in self.steps:
            before = [
                self.turn.get(other) if self.optional(other) else self.done_by_any(other)
                for other in self.after[name]
            ] or [self.start]
            if name not in self.turn and None not in before:
                self.turn[name] = max(*before, self.begin.get(name, 0), 0)

    def standing(self, name):
        turn, instead = self.turn.get(name), self.done_by_any(name)
        if name in self.done:
            return "done", turn, self.done[name]
        if self.failed.get(name) is not None:
            return "failed", turn, self.failed[name]
        if instead is not None:
            return "skipped", turn, instead
        return ("open" if name in self.turn and not self.optional(name) else "waiting"), turn, None

    def late(self, name, now_ms):
        """Whether the step is waited for, or the cancellation after it, past the limit."""
        state, since, _ = self.standing(name)
        spans = {other: 1_000 * int(self.steps[other]["within"][:-1]) for other in self.group(name)}
        if since is None or self.optional(name) or state not in ("open", "failed"):
            return False
        if state == "open":
            return since + max(spans.values()) < now_ms
        failed = self.failed_by_all(name)
        return failed is not None and max(since, failed) + spans[name] < now_ms


class Became(NamedTuple):
    """One of the instances that follow each other: how and when it ended, and what was counted."""

    outcome: str
    ended: int | None
    started: int | None
    repeated: int = 0
    late: int = 0
    conflict: bool = False


def fate_of(flow, history):
    """(outcome, when it ended) of the first instance, once all time has passed."""
    started = min(times_of(history, ["Start"]), default=None)
    if started is None:
        return "open", None
    outcome, ended, _ = end_of(flow, history)
    if "within" in flow:
        over = started + 1_000 * int(flow["within"][:-1])
        if ended is None or ended > over:
            return "timed_out", over
    return outcome, ended


def instances_of(flow, history, before=None, known_ms=0, *, begun=False, heard=None):
    """Each instance under one key, the oldest first.

    Args:
        flow: By whose words they are judged.
        history: What happened.
        before: The flow as its file had it at first; None if that never changed.
        known_ms: Before which everything was known when that file was looked at for the last time.
        begun: Whether the first start had been read by then.
        heard: What happened by the words of that file, where that is something else.
    """
    history, heard = sorted(history), sorted(history if heard is None else heard)
    found, there = [], begun  # whether it was there when that file was looked at for the last time
    while True:
        starts = times_of(history, ["Start"])
        if not starts:
            return [*found, Became("open", None, None)]
        judge, every = flow, history
        if before is not None and there:
            _, over = fate_of(before, heard)
            if over is not None and max(over, starts[0]) < known_ms:
                judge, every = before, heard
        own, before_that = every, None
        while own != before_that:  # what the next one does is nothing that this one owes
            before_that = own
            outcome, ended = fate_of(judge, own)
            last = FAR_MS if ended is None else ended
            next_start = next((at for at in starts if at > max(last, starts[0])), None)
            own = [item for item in every if next_start is None or item.at < next_start]
        found.append(
            Became(
                outcome,
                ended,
                starts[0],
                sum(at <= last for at in starts[1:]),
                sum(item.at > last for item in own),
                ended is not None and conflicting(judge, own),
            )
        )
        if next_start is None:
            return found
        # Only an instance that had ended by that file's word was followed by another one then.
        there = judge is before and next_start < known_ms
        history = [item for item in history if item.at >= next_start]
        heard = [item for item in heard if item.at >= next_start]


def conflicting(flow, history):
    """Whether it both completed and was cancelled."""
    without = {**flow, "cancels": ["nothing"]}
    return end_of(without, history)[1] is not None and cancelled_ms(flow, history) is not None
