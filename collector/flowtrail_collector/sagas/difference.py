"""What another flow file would change for what is open, told before it is so; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.intake import reopen, retire
from flowtrail_collector.sagas.model.lifecycle import settle
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

    Each instance is looked at by both as of the present, so that what time alone does is no difference.

    Args:
        store: Where instances are.
        old: The flow file that is followed.
        new: The other one.

    Returns:
        The flows that are judged otherwise, and those that come and go, by name.
    """
    until_ms = store.watermark_ms() or 0
    found = []
    for name in sorted({*old.by_name, *new.by_name}):
        before, after = old.by_name.get(name), new.by_name.get(name)
        if before is None or after is None or before.rules != after.rules:
            item = FlowDifference(name)
            for saga in _open(store, name):
                item.open += 1
                words = _told(before, after, saga, until_ms)
                item.changed += bool(words)
                item.how.update(words)
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


def _told(before: Flow | None, after: Flow | None, saga: SagaRecord, until_ms: int) -> list[str]:
    old, new = _as_of(before, saga, until_ms), _as_of(after, saga, until_ms)
    if old.outcome is not Outcome.OPEN and before is not None:
        return []  # time has come for it by either
    if new.outcome is Outcome.RETIRED:
        return [] if old.outcome is Outcome.RETIRED else ["rests as retired"]
    words = ["is open again"] if old.outcome is Outcome.RETIRED else []
    if new.outcome is not Outcome.OPEN:
        return [*words, f"ends as {new.outcome.value}"]
    names = {} if after is None else after.renamed
    late = [names.get(step, step) for step in old.late]
    words += [f"is stuck at {step}" for step in new.late if step not in late]
    words += [f"is no longer stuck at {step}" for step in late if step not in new.late]
    waiting = [names.get(step, step) for step in old.waiting]
    words += [f"waits for {step}" for step in new.waiting if step not in waiting]
    words += [f"no longer waits for {step}" for step in waiting if step not in new.waiting]
    if not words and old.next_deadline_ms != new.next_deadline_ms:
        words.append(_time(old.next_deadline_ms, new.next_deadline_ms))
    return words


def _time(old: int | None, new: int | None) -> str:
    if new is None or (old is not None and new > old):
        return "has more time"
    return "has less time"


def _as_of(flow: Flow | None, saga: SagaRecord, until_ms: int) -> SagaRecord:
    copy = replace(saga, events=saga.events)
    if flow is None:
        retire(copy, until_ms)
    else:
        reopen(copy)
        earlier = settle(flow, copy, until_ms, Counter())
        if earlier:  # another instance follows this one
            return earlier[0]
    return copy
