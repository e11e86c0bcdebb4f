"""What a flow is: the events that start it, its steps, and the events that end it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from flowtrail_collector.events.mapping import TopicMappings
from flowtrail_collector.sagas.model.definitions import (
    CHILD,
    SETTLE_MS,
    Children,
    Correlate,
    OwnerOf,
    Step,
)
from flowtrail_collector.sagas.model.fields import Field

__all__ = ["CHILD", "SETTLE_MS", "Children", "Correlate", "Flow", "Flows", "OwnerOf", "Step"]


@dataclass(frozen=True)
class Flow:
    """A choreographed flow.

    Attributes:
        name: As in the flow file; a label of its metrics.
        starts: Types that start it.
        steps: In the order of the file.
        completes: Types that end it well.
        cancels: Types that end it otherwise; empty: a failed step does.
        within_ms: After how long an open instance ends as timed out, None for never.
        correlate: What the events of an instance have in common.
    """

    name: str
    starts: tuple[str, ...]
    steps: tuple[Step, ...]
    completes: tuple[str, ...]
    cancels: tuple[str, ...] = ()
    within_ms: int | None = None
    correlate: Correlate = Correlate.CORRELATION

    @cached_property
    def rules(self) -> str:
        """The same for two flows only if they judge alike; who should do a step changes nothing of that."""
        steps = tuple(replace(step, by=None, asked_by=None) for step in self.steps)
        return hashlib.sha256(repr(replace(self, steps=steps)).encode()).hexdigest()

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """Names of steps in earlier flow files, and what they are now."""
        return {name: step.name for step in self.steps for name in step.was}

    @cached_property
    def types(self) -> frozenset[str]:
        """Every event type the flow names."""
        named = [self.starts, self.completes, self.cancels]
        for step in self.steps:
            named += [step.undone, step.again_after, step.asks]
            # No event says how children end, whatever it is called.
            named += [step.done, step.failed] if step.children is None else []
            named += [step.count.types] if step.count is not None else []
        return frozenset(name for names in named for name in names)

    @cached_property
    def followed(self) -> frozenset[str]:
        """Every event type the flow names, and what it is told of its children's beginnings."""
        return self.types.union(step.children.begun for step in self.steps if step.children is not None)

    @cached_property
    def alternatives(self) -> Mapping[str, tuple[Step, ...]]:
        """For each step of which there are alternatives: all of them, itself included."""
        first = {step.name: step.instead_of or step.name for step in self.steps}
        groups = {name: tuple(s for s in self.steps if first[s.name] == name) for name in first.values()}
        return {name: groups[chosen] for name, chosen in first.items() if len(groups[chosen]) > 1}

    @cached_property
    def undoable(self) -> tuple[Step, ...]:
        """Steps that are owed when the flow is cancelled."""
        return tuple(step for step in self.steps if step.undone)

    @cached_property
    def undoing(self) -> frozenset[str]:
        """Types that take a step back."""
        return frozenset(kind for step in self.undoable for kind in step.undone)

    @cached_property
    def plain(self) -> bool:
        """Whether no step has alternatives or takes several events, and no type says two things of what is owed."""
        single = all(len(step.done) == len(step.undone) == 1 for step in self.undoable)
        apart = len(self.owing) == 2 * len(self.undoable)
        counted = any(not step.single or step.of is not None for step in self.steps)
        return single and apart and not self.alternatives and not counted

    @cached_property
    def ids(self) -> Mapping[str, Field]:
        """Steps whose occurrences have ids in payloads, with where those are; which child is taken back, none says."""
        return {step.name: step.of for step in self.steps if step.of is not None and step.children is None}

    @cached_property
    def depth(self) -> int:
        """How many levels of children there are below it: what it says of itself waits so much longer."""
        return max((step.children.depth for step in self.steps if step.children is not None), default=0)

    @cached_property
    def settling_ms(self) -> int:
        """How long after a moment it is known how an instance stood: it learns of its children's ends first."""
        return SETTLE_MS * (1 + self.depth)

    @cached_property
    def fields(self) -> Mapping[str, tuple[Field, ...]]:
        """What has to be read of payloads, by event type."""
        found: dict[str, dict[Field, None]] = {}
        for step in self.steps:
            wanted: list[tuple[tuple[str, ...], Field]] = [] if step.count is None else [step.count]
            if step.of is not None and step.children is None:  # which child it is, no payload says
                wanted.append(((*step.done, *step.failed, *step.undone), step.of))
            for types, place in wanted:
                for kind in types:
                    found.setdefault(kind, {})[place] = None
        return {kind: tuple(fields) for kind, fields in found.items()}

    @cached_property
    def owing(self) -> Mapping[str, tuple[bool, str]]:
        """Types that make a step owed when the flow is cancelled, or take it back: (takes it back, the step)."""
        done = {kind: (False, step.name) for step in self.undoable for kind in step.done}
        return done | {kind: (True, step.name) for step in self.undoable for kind in step.undone}

    @cached_property
    def again(self) -> Mapping[str, tuple[str, ...]]:
        """For each step that may have its turn anew by the file's word: the types after which it has."""
        found: dict[str, tuple[str, ...]] = {}
        for step in self.steps:
            own = found.get(step.instead_of or "", ()) + step.again_after
            types = dict.fromkeys(own + tuple(kind for name in step.after for kind in found.get(name, ())))
            if types:
                found[step.name] = tuple(types)
        return found

    @cached_property
    def counted(self) -> tuple[Step, ...]:
        """Steps that take several events, each of which would complete the flow by its type: the last one does."""
        ends = set(self.completes)
        return tuple(step for step in self.steps if not step.single and not ends.isdisjoint(step.done))

    @cached_property
    def brings(self) -> Mapping[str, tuple[str, ...]]:
        """For each step: the types that bring its turn, or ask for it, and bring it anew once it has failed."""
        by_name = {step.name: step for step in self.steps}
        found: dict[str, tuple[str, ...]] = {}
        for step in self.steps:
            types = dict.fromkeys(() if step.after else self.starts)
            for before in (by_name[name] for name in step.after):
                group = self.alternatives.get(before.name, (before,))
                done = tuple(kind for other in group for kind in other.done)
                types.update(dict.fromkeys(found[before.name] if before.optional else done))
            for other in self.alternatives.get(step.name, (step,)):
                types.update(dict.fromkeys(other.asks))
            found[step.name] = tuple(types)
        return found

    @cached_property
    def again_types(self) -> frozenset[str]:
        """Types after which a step has its turn anew by the file's word."""
        return frozenset(kind for step in self.steps for kind in step.again_after)

    @cached_property
    def renewing(self) -> frozenset[str]:
        """Types without which no step has its turn anew."""
        return self.again_types.union(*(step.failed for step in self.steps))

    @cached_property
    def turning(self) -> frozenset[str]:
        """Types with which a step's turn may come anew."""
        return frozenset(kind for types in (*self.again.values(), *self.brings.values()) for kind in types)

    @cached_property
    def ending(self) -> tuple[str, ...]:
        """Types each of which ends the flow otherwise than well."""
        together = {step.name for group in self.failing_together for step in group}
        alone = [step for step in self._needed if step.name not in together]
        return self.cancels or tuple(kind for step in alone for kind in step.failed)

    @cached_property
    def failing_together(self) -> tuple[tuple[Step, ...], ...]:
        """Ways of which one is enough, and children: what ends a flow that nothing cancels, though no one event says so."""
        if self.cancels:
            return ()
        groups = {
            step.instead_of or step.name: self.alternatives.get(step.name, (step,)) for step in self._needed
        }
        return tuple(group for group in groups.values() if len(group) > 1 or group[0].children is not None)

    @property
    def _needed(self) -> tuple[Step, ...]:
        """Steps whose failing ends a flow that nothing cancels."""
        return tuple(step for step in self.steps if not step.optional and step.name not in self.again)

    @cached_property
    def compensating(self) -> frozenset[str]:
        """Types that take something back: undone steps and cancellation."""
        return self.undoing.union(self.cancels)


@dataclass(frozen=True)
class Flows:
    """All flows of a collector, by name.

    Attributes:
        by_name: The flows.
        mapping: What to do with topics whose producers write no headers.
    """

    by_name: Mapping[str, Flow] = field(default_factory=dict)
    mapping: TopicMappings = field(default_factory=TopicMappings)

    @classmethod
    def of(cls, flows: Iterable[Flow]) -> Flows:
        """Gather flows; of two with the same name the later one counts."""
        return cls({flow.name: flow for flow in flows})

    @cached_property
    def reading(self) -> frozenset[str]:
        """Types of which some flow has to know more than that they happened."""
        starts = (kind for name in self.parents for kind in self.by_name[name].starts)
        return frozenset(kind for flow in self.by_name.values() for kind in flow.fields).union(starts)

    @cached_property
    def parents(self) -> Mapping[str, tuple[tuple[str, Children], ...]]:
        """For each flow whose instances another one waits for: (that flow, how)."""
        found: dict[str, tuple[tuple[str, Children], ...]] = {}
        for flow in self.by_name.values():
            for step in flow.steps:
                if step.children is not None and step.children.flow in self.by_name:
                    name = step.children.flow
                    found[name] = (*found.get(name, ()), (flow.name, step.children))
        return found

    @cached_property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """Flows that wait for children, by how many levels of those are below them; the fewest first."""
        depths = sorted({flow.depth for flow in self.by_name.values() if flow.depth})
        return tuple(
            tuple(flow.name for flow in self.by_name.values() if flow.depth == depth) for depth in depths
        )

    @cached_property
    def by_other_ids(self) -> bool:
        """Whether instances of any flow have something else in common than their correlation id."""
        return any(flow.correlate is not Correlate.CORRELATION for flow in self.by_name.values())

    def by_correlation(self, flow: str) -> bool:
        """Whether the instances of a flow have their correlation id in common; of one that is gone, it is taken so."""
        known = self.by_name.get(flow)
        return known is None or known.correlate is Correlate.CORRELATION

    @cached_property
    def by_type(self) -> Mapping[str, tuple[Flow, ...]]:
        """The flows that an event type moves."""
        moved: dict[str, tuple[Flow, ...]] = {}
        for flow in self.by_name.values():
            for name in flow.types:
                moved[name] = (*moved.get(name, ()), flow)
        return moved

    @property
    def compensating(self) -> frozenset[str]:
        """Types that take something back in any flow."""
        return frozenset().union(*(flow.compensating for flow in self.by_name.values()))

    @property
    def types(self) -> frozenset[str]:
        """Every type that any flow names."""
        return frozenset(self.by_type)
