"""Which steps a flow has, in which order, and what each waits for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowtrail_collector.sagas.learning.histories import History

__all__ = ["SOMETIMES", "MainStep", "main_steps"]

_ALWAYS = 0.95
SOMETIMES = 0.05
"""A type that stands in a smaller share of the completed instances is an exception."""
_PRECEDES = 0.98
_CAUSES = 0.05
_MAX_STEPS = 60


@dataclass(frozen=True, slots=True, eq=False)
class MainStep:
    """A step of the way that completes.

    Attributes:
        types: Of which any says it was done.
        share: Of the completed instances, in how many it was done.
        source: Who publishes them.
        after: The steps before it; empty: the start.
        start: The type that starts the flow.
        caused: What it waits for follows from causation ids.
    """

    types: tuple[str, ...]
    share: float
    source: str | None
    after: tuple[MainStep, ...]
    start: str
    caused: bool

    @property
    def optional(self) -> bool:
        """Whether completed instances went without it."""
        return self.share < _ALWAYS

    def done_ms(self, history: History) -> int | None:
        """When it was done."""
        return min((history.times[kind] for kind in self.types if kind in history.times), default=None)

    def durations(self, histories: Iterable[History]) -> list[int]:
        """How long it took from its turn on, in milliseconds, wherever both are known."""
        found: list[int] = []
        for history in histories:
            done = self.done_ms(history)
            turns = [step.done_ms(history) for step in self.after] or [history.times.get(self.start)]
            known = [turn for turn in turns if turn is not None]
            if done is not None and len(known) == len(turns):
                found.append(max(done - max(known), 0))
        return found

    def repeats(self, histories: Iterable[History]) -> int:
        """The most events of its types in one instance."""
        return max((sum(e.type in self.types for e in history.events) for history in histories), default=0)


def main_steps(
    start: str, completes: str, completed: Sequence[History], left_out: frozenset[str]
) -> tuple[list[MainStep], list[str]]:
    """The steps in order, and the types that are too rare to be one."""
    counts = Counter(k for h in completed for k in h.times if k != start and k not in left_out)
    wanted = [kind for kind, count in counts.items() if count >= SOMETIMES * len(completed)]
    order = _order(completed, frozenset(wanted))[:_MAX_STEPS]
    rare = sorted(set(counts) - set(order))
    causes = _causes(completed)
    merged = _alternatives(order, counts, causes, completed, completes)
    made: list[MainStep] = []
    of_type: dict[str, MainStep] = {}
    for types in merged:
        share = sum(counts[kind] for kind in types) / len(completed)
        before, caused = _before(types, start, made, of_type, causes, completed)
        source = Counter(e.source for h in completed for e in h.events if e.type in types).most_common(1)[0][
            0
        ]
        step = MainStep(types, share, source, before, start, caused)
        made.append(step)
        of_type.update(dict.fromkeys(types, step))
    return made, rare


def _order(completed: Sequence[History], wanted: frozenset[str]) -> list[str]:
    """Types by their mean place among the wanted ones."""
    places: dict[str, list[int]] = defaultdict(list)
    for history in completed:
        kinds = dict.fromkeys(event.type for event in history.events if event.type in wanted)
        for place, kind in enumerate(kinds):
            places[kind].append(place)
    return sorted(places, key=lambda kind: (sum(places[kind]) / len(places[kind]), kind))


def _causes(completed: Sequence[History]) -> dict[str, Counter[str]]:
    """How often each type was caused by which; the first event of an instance counts."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for history in completed:
        for kind, causes in history.causes.items():
            found[kind][causes[0]] += 1
    return dict(found)


def _alternatives(
    order: Sequence[str],
    counts: Mapping[str, int],
    causes: Mapping[str, Counter[str]],
    completed: Sequence[History],
    completes: str,
) -> list[tuple[str, ...]]:
    """Joins types of which each instance has exactly one, caused by the same."""
    total = len(completed)
    sometimes = [kind for kind in order if counts[kind] < _ALWAYS * total and kind != completes]
    groups: dict[frozenset[str], list[str]] = defaultdict(list)
    for kind in sometimes:
        if causes.get(kind):
            groups[frozenset(_frequent(causes[kind]))].append(kind)
    joined: dict[str, tuple[str, ...]] = {}
    for kinds in groups.values():
        either = sum(1 for history in completed if sum(kind in history.times for kind in kinds) == 1)
        if len(kinds) > 1 and either >= _ALWAYS * total:
            joined[kinds[0]] = tuple(kinds)
    swallowed = {kind for kinds in joined.values() for kind in kinds[1:]}
    return [joined.get(kind, (kind,)) for kind in order if kind not in swallowed]


def _before(
    types: Sequence[str],
    start: str,
    made: Sequence[MainStep],
    of_type: Mapping[str, MainStep],
    causes: Mapping[str, Counter[str]],
    completed: Sequence[History],
) -> tuple[tuple[MainStep, ...], bool]:
    """The steps that this one waits for, and whether causation ids say so."""
    seen = sum(1 for history in completed if any(kind in history.times for kind in types))
    known = Counter[str]()
    for kind in types:
        known.update(causes.get(kind, Counter()))
    if 2 * sum(known.values()) >= seen:
        found = _resolved(_frequent(known), start, of_type, causes)
        return _latest(found, made), True
    return _latest(
        [step for step in made if not step.optional and _precedes(step, types, completed)], made
    ), False


def _frequent(counts: Counter[str]) -> list[str]:
    total = sum(counts.values())
    return [kind for kind, count in counts.items() if count >= _CAUSES * total]


def _resolved(
    kinds: Iterable[str], start: str, of_type: Mapping[str, MainStep], causes: Mapping[str, Counter[str]]
) -> list[MainStep]:
    """The steps that causes belong to; for a type that isn't waited for, the steps that led to it."""
    found: list[MainStep] = []
    waiting, passed = list(kinds), {start}
    while waiting:
        kind = waiting.pop()
        if kind in passed:
            continue
        passed.add(kind)
        step = of_type.get(kind)
        if step is not None and not step.optional:
            found.append(step)
        else:
            waiting += _frequent(causes.get(kind, Counter()))
    return found


def _precedes(step: MainStep, types: Sequence[str], completed: Sequence[History]) -> bool:
    both = earlier = 0
    for history in completed:
        done = step.done_ms(history)
        moment = min((history.times[kind] for kind in types if kind in history.times), default=None)
        if done is not None and moment is not None:
            both += 1
            earlier += done <= moment
    return both > 0 and earlier >= _PRECEDES * both


def _latest(steps: Iterable[MainStep], made: Sequence[MainStep]) -> tuple[MainStep, ...]:
    """Those that no other of them waits for already, in the order of the flow."""
    found = set(steps)
    behind: set[MainStep] = set()
    waiting = [earlier for step in found for earlier in step.after]
    while waiting:
        step = waiting.pop()
        if step not in behind:
            behind.add(step)
            waiting += step.after
    return tuple(step for step in made if step in found - behind)
