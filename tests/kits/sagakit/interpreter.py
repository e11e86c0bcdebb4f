"""What the docs' words say of an instance, told by brute force; shares no code with the collector.

Flows are as their file has them, after `sagakit.histories`; a history is what happened: (ms since the epoch, type).
"""

from __future__ import annotations

import itertools
from collections import Counter

__all__ = ["FAR_MS", "Playing", "end_of", "fate_of", "times_of"]

FAR_MS = 1_000_000


def times_of(history, types, until=FAR_MS):
    return sorted(at for at, kind in history if kind in types and at <= until)


def owed(step, history, until):
    """Of what was done, how much no taking back can be assigned to: tried in every way that helps."""
    undone = times_of(history, step["undone"], until)
    taken = {}

    def assign(done, number, tried):
        for place, at in enumerate(undone):
            if at >= done - 1_000 and place not in tried:
                tried.add(place)
                if place not in taken or assign(*taken[place], tried):
                    taken[place] = (done, number)
                    return True
        return False

    dones = times_of(history, step["done"], until)
    return sum(not assign(done, number, set()) for number, done in enumerate(dones))


def end_of(flow, history):
    """(outcome, when it ended, steps that are owed), by trying every moment."""
    undoable = {name: step for name, step in flow["steps"].items() if "undone" in step}
    completed = []
    for kind in flow["completes"]:
        needed = next((s.get("times", 1) for s in flow["steps"].values() if kind in s["done"]), 1)
        completed += times_of(history, [kind])[needed - 1 : needed]
    playing = Playing(flow)
    failed = [k for name, s in flow["steps"].items() if not playing.again(name) for k in s.get("failed", ())]
    cancelled = min(times_of(history, flow.get("cancels", failed)), default=None)
    over = None
    if cancelled is not None:
        for moment in sorted({cancelled, *(at for at, _ in history if at > cancelled)}):
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


def fate_of(flow, history):
    """(outcome, when it ended) once all time has passed."""
    started = min(times_of(history, ["Start"]), default=None)
    if started is None:
        return "open", None
    outcome, ended, _ = end_of(flow, history)
    if "within" in flow:
        over = started + 1_000 * int(flow["within"][:-1])
        if ended is None or ended > over:
            return "timed_out", over
    return outcome, ended


class Playing:
    """Steps without `undone`, played forward moment by moment."""

    @classmethod
    def of(cls, flow, history):
        playing = cls(flow)
        for moment, group in itertools.groupby(sorted(history), key=lambda item: item[0]):
            playing.at(moment, Counter(kind for _, kind in group))
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
        self.begin, self.turn, self.done, self.failed, self.count = ({} for _ in range(5))

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
        return found

    def done_by_any(self, name):
        return min((self.done[other] for other in self.group(name) if other in self.done), default=None)

    def failed_by_all(self, name):
        moments = [self.failed.get(other) for other in self.group(name)]
        return None if None in moments or self.done_by_any(name) is not None else max(moments)

    def renew(self, name, at):
        self.begin[name] = at
        for known in (self.turn, self.done, self.failed, self.count):
            known.pop(name, None)

    def at(self, moment, kinds):
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
            self.count[name] = self.count.get(name, 0) + sum(kinds[kind] for kind in step["done"])
            if self.count[name] >= step.get("times", 1):
                self.done.setdefault(name, moment)
            if any(kind in kinds for kind in step.get("failed", ())):
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
        if name in self.failed:
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
