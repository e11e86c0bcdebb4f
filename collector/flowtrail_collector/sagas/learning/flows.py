"""Drafts flows from what was seen: which types start them, are done in turn, fail, take back and end them.

Everything here is a guess with a reason; what was counted stays beside it, so that a reader can judge.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from flowtrail_collector.sagas.learning.branches import Branches, sort_branches
from flowtrail_collector.sagas.learning.histories import History, Seen, by_start, bystanders, history_of
from flowtrail_collector.sagas.learning.steps import SOMETIMES, MainStep, main_steps
from flowtrail_collector.sagas.learning.words import free, kebab
from flowtrail_collector.sagas.model.flows import Flow, Step

__all__ = ["FEW", "MIN_INSTANCES", "Learned", "LearnedFlow", "StepEvidence", "learn", "readable_ms"]

MIN_INSTANCES = 3
"""Fewer completed instances are no pattern."""
FEW = 20
"""Fewer samples than this say little about the slowest hundredth."""
_MAX_FLOWS = 20
_MAX_EVENTS = 500  # of one instance
_BRANCH_SHARE = 0.2
_NO_GOOD_END = re.compile(
    r"(?i)fail|reject|cancel|declin|expir|time[sd]?[._-]?out|releas|refund|revers|abort|void|error|denied|undone"
)
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_READABLE_MS = (
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 20, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 20, 30)),
    *(n * _HOUR for n in (1, 2, 4, 6, 12)),
    *(n * _DAY for n in (1, 2, 3, 7, 14, 28)),
)


class StepEvidence(NamedTuple):
    """What a step rests on.

    Attributes:
        share: Of the completed instances, in how many it was done.
        samples: How many durations there are.
        p99_ms: 99 % of them were shorter.
        group_seen: Whether the group in `by` is one that the cluster knows; None if it has none, or groups
            aren't known.
        repeats: The most events of its types in one instance.
        caused: Its place follows from causation ids; otherwise from times.
    """

    share: float
    samples: int
    p99_ms: int
    group_seen: bool | None
    repeats: int
    caused: bool


@dataclass(frozen=True, slots=True)
class LearnedFlow:
    """A drafted flow.

    Attributes:
        flow: The draft.
        evidence: By step.
        instances: How many were looked at.
        completed: How many of them completed.
        broken_off: How many ended otherwise.
        p99_ms: 99 % of the completed ones took less.
        left_out: Types that were seen and stand nowhere in the draft: (type, instances, why).
    """

    flow: Flow
    evidence: Mapping[str, StepEvidence]
    instances: int
    completed: int
    broken_off: int
    p99_ms: int
    left_out: Sequence[tuple[str, int, str]] = ()


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned.

    Attributes:
        flows: Drafts, those with most instances first.
        partial: Instances that were seen from the middle on only.
        too_few: (type that starts, instances) of what is too rare, never completed, or a single event.
    """

    flows: Sequence[LearnedFlow]
    partial: int = 0
    too_few: Sequence[tuple[str, int]] = field(default=())


def learn(
    instances: Iterable[Sequence[Seen]], groups: Iterable[str] | None = None, *, least: int = MIN_INSTANCES
) -> Learned:
    """Draft flows.

    Args:
        instances: The events of each instance, in any order.
        groups: Consumer groups that the cluster knows; None if that isn't known.
        least: Completed instances that a draft needs at least.
    """
    known = None if groups is None else frozenset(groups)
    histories = (history_of(_usable(events)) for events in instances)
    starts, partial = by_start(history for history in histories if history is not None)
    flows: list[LearnedFlow] = []
    too_few: list[tuple[str, int]] = []
    for kind, found in sorted(starts.items(), key=lambda item: (-len(item[1]), item[0])):
        drafted = _draft(kind, found, known, least) if len(flows) < _MAX_FLOWS else None
        if drafted is None:
            too_few.append((kind, len(found)))
        else:
            flows.append(drafted)
    return Learned(_named(flows), partial, too_few)


def readable_ms(span_ms: float) -> int:
    """The next figure that reads well: 1s, 2s, 5s, 10s, ... 1m, ... 4h, ... 2d, ... whole weeks.

    At least a second: clocks don't agree any better.
    """
    for readable in _READABLE_MS:
        if span_ms <= readable:
            return readable
    return math.ceil(span_ms / (7 * _DAY)) * 7 * _DAY


def p99(values: Iterable[int]) -> int:
    """The smallest value that 99 % don't exceed; 0 of nothing."""
    ordered = sorted(values)
    return ordered[math.ceil(0.99 * len(ordered)) - 1] if ordered else 0


def _usable(events: Sequence[Seen]) -> list[Seen]:
    # A type of blanks can't stand in a flow file.
    return [event for event in events[:_MAX_EVENTS] if event.type.strip()]


def _draft(
    start: str, histories: Sequence[History], groups: frozenset[str] | None, least: int
) -> LearnedFlow | None:
    aside = bystanders(histories) - {start}
    ends = _ends(start, histories, aside)
    completes = _good_end(ends)
    if completes is None:
        return None
    completed = [history for history in histories if completes in history.times]
    if len(completed) < least:
        return None
    others = [history for history in histories if completes not in history.times]
    branch_types = _branch_types(start, completed, others, aside)
    broken = [history for history in others if not branch_types.isdisjoint(history.times)]
    steps, rare = main_steps(start, completes, completed, aside | branch_types)
    branches = sort_branches(start, steps, completed, broken, branch_types)
    durations = [max(h.times[completes] - h.times[start], 0) for h in completed]
    slowest = p99(durations)
    named = _steps(steps, branches, completed, groups)
    flow = Flow(
        name=kebab(start),
        starts=(start,),
        steps=tuple(step for step, _ in named),
        completes=(completes,),
        cancels=branches.cancels,
        within_ms=readable_ms(2 * slowest),
    )
    seen = Counter(kind for history in histories for kind in history.times)
    left_out = [(kind, seen[kind], "reports what others do") for kind in sorted(aside)]
    left_out += [(kind, seen[kind], "rare") for kind in sorted(rare)]
    left_out += [(kind, seen[kind], "only where it didn't complete") for kind in branches.unplaced]
    evidence = {step.name: found for step, found in named}
    return LearnedFlow(flow, evidence, len(histories), len(completed), len(broken), slowest, left_out)


def _ends(start: str, histories: Sequence[History], aside: frozenset[str]) -> Counter[str]:
    """Types that end more than half of the instances they stand in, and how many."""
    last: Counter[str] = Counter()
    anywhere: Counter[str] = Counter()
    for history in histories:
        kinds = [event.type for event in history.events if event.type not in aside and event.type != start]
        if kinds:
            last[kinds[-1]] += 1
            anywhere.update(set(kinds))
    return Counter({kind: count for kind, count in last.items() if 2 * count > anywhere[kind]})


def _good_end(ends: Counter[str]) -> str | None:
    """The most frequent one that doesn't sound like a failure, else the most frequent one."""
    ranked = sorted(ends, key=lambda kind: (_NO_GOOD_END.search(kind) is not None, -ends[kind], kind))
    return ranked[0] if ranked else None


def _branch_types(
    start: str, completed: Sequence[History], others: Sequence[History], aside: frozenset[str]
) -> frozenset[str]:
    """Types that stand, but for exceptions, only in instances that didn't complete.

    What the others have because they aren't over yet stands in the completed ones, too.
    """
    well = Counter(kind for history in completed for kind in history.times)
    badly = Counter(kind for history in others for kind in history.times)
    return frozenset(
        kind
        for kind, count in badly.items()
        if kind not in aside
        and kind != start
        and well[kind] < _BRANCH_SHARE * (well[kind] + count)
        and well[kind] < SOMETIMES * len(completed)
    )


def _steps(
    steps: Sequence[MainStep], branches: Branches, completed: Sequence[History], groups: frozenset[str] | None
) -> list[tuple[Step, StepEvidence]]:
    names: dict[MainStep, str] = {}
    for step in steps:
        names[step] = free(kebab(step.types[0]), set(names.values()))
    drafted: list[tuple[Step, StepEvidence]] = []
    for step in steps:
        durations = step.durations(completed)
        by, seen = _group(step.source, groups)
        slowest = p99(durations)
        drafted.append(
            (
                Step(
                    name=names[step],
                    done=step.types,
                    failed=branches.failed.get(step, ()),
                    undone=branches.undone.get(step, ()),
                    by=by,
                    within_ms=readable_ms(slowest) if durations else None,
                    after=tuple(names[earlier] for earlier in step.after),
                    optional=step.optional,
                ),
                StepEvidence(step.share, len(durations), slowest, seen, step.repeats(completed), step.caused),
            )
        )
    return drafted


def _group(source: str | None, groups: frozenset[str] | None) -> tuple[str | None, bool | None]:
    """The consumer group of a service: the one called like it, else the only one with its name in it."""
    name = (source or "").rstrip("/").rpartition("/")[2].strip()
    if not name or not name.isprintable():
        return None, None
    if groups is None:
        return name, None
    if name in groups:
        return name, True
    close = [group for group in groups if name in re.split(r"[^A-Za-z0-9]+", group)]
    return (close[0], True) if len(close) == 1 else (name, False)


def _named(flows: Sequence[LearnedFlow]) -> list[LearnedFlow]:
    """Two types may differ by what a name can't say."""
    named: list[LearnedFlow] = []
    for drafted in flows:
        name = free(drafted.flow.name, {other.flow.name for other in named})
        named.append(replace(drafted, flow=replace(drafted.flow, name=name)))
    return named
