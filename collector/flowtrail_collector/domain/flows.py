"""What a flow is: the events that start it, its steps, and the events that end it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from flowtrail_collector.domain.mapping import TopicMappings

__all__ = ["Flow", "Flows", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a flow. Every tuple of event types reads as "any of these".

    Attributes:
        name: As in the flow file.
        done: Types that say it was done.
        failed: Types that say it could not be done.
        undone: Types that take it back.
        by: The consumer group that should do it, None if the flow file doesn't say.
        within_ms: How long it may take once its turn has come, None for no limit.
        after: Steps that must be done before its turn comes; empty: its turn comes with the start.
        optional: A flow may end without it, and nobody waits for it.
    """

    name: str
    done: tuple[str, ...]
    failed: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    by: str | None = None
    within_ms: int | None = None
    after: tuple[str, ...] = ()
    optional: bool = False


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
    """

    name: str
    starts: tuple[str, ...]
    steps: tuple[Step, ...]
    completes: tuple[str, ...]
    cancels: tuple[str, ...] = ()
    within_ms: int | None = None

    @cached_property
    def types(self) -> frozenset[str]:
        """Every event type the flow names."""
        named = [self.starts, self.completes, self.cancels]
        for step in self.steps:
            named += [step.done, step.failed, step.undone]
        return frozenset(name for names in named for name in names)

    @cached_property
    def ending(self) -> tuple[str, ...]:
        """Types that end the flow otherwise than well."""
        return self.cancels or tuple(name for step in self.steps for name in step.failed)

    @cached_property
    def compensating(self) -> frozenset[str]:
        """Types that take something back: undone steps and cancellation."""
        return frozenset(self.cancels) | {name for step in self.steps for name in step.undone}


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
