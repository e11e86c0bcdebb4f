"""What another flow file would change for what is open, told before it is so; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowtrail_collector.sagas.model.assessment import Mark, Outcome, StepState, add_event
from flowtrail_collector.sagas.model.children import ending
from flowtrail_collector.sagas.model.flows import Correlate, Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.intake import reopen, retire
from flowtrail_collector.sagas.model.lifecycle import settle
from flowtrail_collector.sagas.model.recurrence import stand
from flowtrail_collector.sagas.ports import SagaStore

__all__ = ["FlowDifference", "difference", "difference_json"]

_PAGE = 5_000


@dataclass
class FlowDifference:
    """What changes for the open instances of one flow.

    Attributes:
        flow: Its name.
        open: Open, or retired, instances.
        changed: Those for which anything changes.
        how: In words, with how many.
    """

    flow: str
    open: int = 0
    changed: int = 0
    how: Counter[str] = field(default_factory=Counter)


def difference(store: SagaStore, old: Flows, new: Flows) -> list[FlowDifference]:
    """What changes for open instances when one flow file takes the other's place.

    Each instance is looked at by both as of the present, so that what time alone does is no difference. Those that
    wait for others are evaluated with how those end by each of the files.

    Args:
        store: Where instances are.
        old: The flow file that is followed.
        new: The other one.

    Returns:
        The flows that are judged otherwise, those that come and go, and those that wait for such and of which some
        instance changes; by name.
    """
    until_ms = store.watermark_ms() or 0
    changed = {name for name in {*old.by_name, *new.by_name} if _rules(old, name) != _rules(new, name)}
    touched = _with_parents(changed, old, new)
    before, after = (_View(flows, until_ms) for flows in (old, new))
    for view in (before, after):
        view.hear(store, touched)
    found = []
    for name in sorted(touched):
        item = FlowDifference(name)
        for saga in _open(store, name):
            item.open += 1
            words = _told(before, after, saga)
            item.changed += bool(words)
            item.how.update(words)
        if name in changed or item.changed:
            found.append(item)
    return found


def difference_json(found: Sequence[FlowDifference]) -> list[dict[str, Any]]:
    """The same as JSON."""
    return [
        {"flow": item.flow, "open": item.open, "changed": item.changed, "how": dict(item.how.most_common())}
        for item in found
    ]


def _open(store: SagaStore, flow: str) -> Iterator[SagaRecord]:
    after = ""
    while page := store.open_records(flow, after, _PAGE):
        yield from page
        after = page[-1].key


def _rules(flows: Flows, name: str) -> str | None:
    flow = flows.by_name.get(name)
    return None if flow is None else flow.rules


def _with_parents(names: Iterable[str], *files: Flows) -> set[str]:
    """These flows, and those that wait for their instances, by any of the files."""
    found, left = set(names), list(names)
    while left:
        name = left.pop()
        parents = {parent for flows in files for parent, _ in flows.parents.get(name, ())} - found
        found |= parents
        left += parents
    return found


class _View:
    """Open instances as one flow file has them at the present.

    Args:
        flows: Of that file.
        until_ms: Everything written until then has been read.
    """

    def __init__(self, flows: Flows, until_ms: int) -> None:
        self.flows = flows
        self._until_ms = until_ms
        self._news: dict[SagaKey, list[tuple[int, Mark]]] = {}

    def hear(self, store: SagaStore, names: Iterable[str]) -> None:
        """Note what the instances of some flows tell those that wait for them; children first."""
        known = [self.flows.by_name[name] for name in names if name in self.flows.parents]
        for flow in sorted(known, key=lambda flow: flow.depth):
            for saga in _open(store, flow.name):
                for over in self._as_of(saga):
                    for key, unique, mark in ending(self.flows, over):
                        self._news.setdefault(key, []).append((unique, mark))

    def of(self, saga: SagaRecord) -> SagaRecord:
        """An instance as this file has it; not the one that may follow it."""
        return self._as_of(saga)[0]

    def _as_of(self, saga: SagaRecord) -> list[SagaRecord]:
        flow, copy = self.flows.by_name.get(saga.flow), replace(saga)
        if flow is None:
            retire(copy, self._until_ms)
            return [copy]
        reopen(copy)
        if news := self._news.get(SagaKey(saga.flow, saga.key)):
            copy.events = dict(saga.events)
            for unique, mark in news:
                if mark[0] >= (saga.started_ms or 0):
                    add_event(copy.events, unique, mark)
        return [*settle(flow, copy, self._until_ms, Counter()), copy]

    def says(self, saga: SagaRecord) -> dict[_Phrase, None]:
        """What is to be said of an open instance as this file has it."""
        flow = self.flows.by_name[saga.flow]
        progress = stand(flow, saga)
        failed = [item.step.name for item in progress.steps if item.state is StepState.FAILED]
        found = {
            _STUCK: saga.late, _WAITS: saga.waiting, _FAILED: failed, _OWES: progress.not_undone,
        }  # fmt: skip
        return {(forms, step): None for forms, steps in found.items() for step in steps}

    def due_ms(self, saga: SagaRecord) -> int | None:
        """When its next limit is over; how long one waits to be sure of that is no difference."""
        settling_ms = self.flows.by_name[saga.flow].settling_ms
        return None if saga.next_deadline_ms is None else saga.next_deadline_ms - settling_ms


_Forms = tuple[str, str]
"""How it reads of a step that something is so now, and that it no longer is."""
_Phrase = tuple[_Forms, str]
_STUCK = ("is stuck at {}", "is no longer stuck at {}")
_WAITS = ("waits for {}", "no longer waits for {}")
_FAILED = ("has failed at {}", "has no longer failed at {}")
_OWES = ("has to undo {}", "no longer has to undo {}")


def _told(before: _View, after: _View, saga: SagaRecord) -> list[str]:
    old, new = before.of(saga), after.of(saga)
    was, flow = before.flows.by_name.get(saga.flow), after.flows.by_name.get(saga.flow)
    if old.outcome is not Outcome.OPEN and was is not None:
        return []  # time has come for it by either
    if flow is None or new.outcome is Outcome.RETIRED:
        return [] if old.outcome is Outcome.RETIRED else ["rests as retired"]
    words = ["is open again"] if was is None else []
    if new.outcome is not Outcome.OPEN:
        return [*words, f"ends as {new.outcome.value}"]
    said = {} if was is None else before.says(old)
    said = {(forms, flow.renamed.get(step, step)): None for forms, step in said}
    says = after.says(new)
    words += [forms[0].format(step) for forms, step in says if (forms, step) not in said]
    words += [forms[1].format(step) for forms, step in said if (forms, step) not in says]
    if was is not None and not _same_key(was, flow, saga):
        words.append(f"hears no more: its events are put together by {flow.correlate}")
    if was is not None and not words and before.due_ms(old) != after.due_ms(new):
        words.append(_time(before.due_ms(old), after.due_ms(new)))
    return words


def _same_key(was: Flow, flow: Flow, saga: SagaRecord) -> bool:
    """Whether further events of an instance find it."""
    return was.correlate is flow.correlate or (
        flow.correlate is Correlate.SUBJECT and saga.key == saga.subject
    )


def _time(old: int | None, new: int | None) -> str:
    if new is None or (old is not None and new > old):
        return "has more time"
    return "has less time"
