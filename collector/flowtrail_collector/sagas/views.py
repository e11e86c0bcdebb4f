"""Lists of sagas and dead letters, as the API and the console show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from flowtrail_collector.trails.model import TrailDeadLetter, TrailSaga


@dataclass(frozen=True, slots=True)
class SagaFilter:
    """Which sagas; None or False filters nothing.

    Attributes:
        flow: Name of the flow.
        outcome: `open` or how it ended.
        step: A step that is open.
        stuck: Only those past the deadline of a step.
        limit: At most so many.
        offset: Skip so many.
    """

    flow: str | None = None
    outcome: str | None = None
    step: str | None = None
    stuck: bool = False
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class SagaRow:
    """A saga instance in a list, with the pending dead letters of its flow if it is stuck."""

    saga: TrailSaga
    stuck: bool
    correlation_id: str | None = None
    dead_letters: tuple[TrailDeadLetter, ...] = ()


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters; None filters nothing. Times: ms since the epoch, of their arrival."""

    topic: str | None = None
    group: str | None = None
    error_type: str | None = None
    state: str | None = None
    source_topic: str | None = None
    id: str | None = None
    flow: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter in a list."""

    letter: TrailDeadLetter
    subject: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A flow with how many instances are in which state."""

    name: str
    starts: tuple[str, ...]
    completes: tuple[str, ...]
    cancels: tuple[str, ...]
    within_seconds: float | None
    steps: tuple[FlowStepRow, ...]
    instances: dict[str, int]


@dataclass(frozen=True, slots=True)
class FlowStepRow:
    """A step as the flow file says."""

    name: str
    done: tuple[str, ...]
    failed: tuple[str, ...]
    undone: tuple[str, ...]
    by: str | None
    within_seconds: float | None


class Views(Protocol):
    """What the lists are made of."""

    def list_sagas(self, query: SagaFilter) -> list[SagaRow]:
        """Saga instances, those that need attention first, then the newest."""
        ...

    def list_dead_letters(self, query: DeadLetterFilter) -> list[DeadLetterRow]:
        """Dead letters, newest first."""
        ...

    def list_flows(self) -> list[FlowRow]:
        """The flows of the flow file."""
        ...
