"""What a trail is made of, and what it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flowtrail_collector.dead_letters.model.letter import DeadLetter, Place
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.sagas.model.view import SagaView
from flowtrail_collector.sagas.stuck import Diagnosis
from flowtrail_collector.spans.model import Span


class EntryKind(StrEnum):
    """What one line of a trail shows."""

    COMMAND = "command"
    """A request from outside, e.g. an HTTP call."""
    PUBLISH = "publish"
    """An event was published."""
    COMPENSATION = "compensation"
    """An event was published that takes back an earlier step."""
    NOTIFICATION = "notification"
    """An event was published that only tells somebody."""
    QUEUE = "queue"
    """An event waited in its topic for a consumer."""
    PROCESS = "process"
    """A consumer handled an event."""
    RETRY = "retry"
    """A consumer handled an event again after a failure, or sent it to a retry topic."""
    DEAD_LETTER = "dead_letter"
    """A consumer gave an event up."""
    REDRIVE = "redrive"
    """A dead letter was published again."""
    OPERATION = "operation"
    """Anything else a span was recorded for."""


PUBLISHING_KINDS = frozenset(
    {
        EntryKind.PUBLISH,
        EntryKind.COMPENSATION,
        EntryKind.NOTIFICATION,
        EntryKind.DEAD_LETTER,
        EntryKind.REDRIVE,
    }
)


@dataclass(frozen=True, slots=True)
class TrailError:
    """Why something failed."""

    type: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One line of a trail.

    Attributes:
        id: Unique within the trail, the same whenever it is assembled from the same inputs.
        kind: What it shows.
        service: Who did it; for a queue wait, who was waited for.
        name: For people.
        start_ns: Nanoseconds since the epoch, by the clock of the service.
        end_ns: The same as `start_ns` for something that only has a moment.
        parent: Id of the entry that led to it, None for a root.
        depth: Number of ancestors.
        topic: Topic of the event.
        partition: Its partition.
        offset: Its offset.
        event_id: The event's id.
        event_type: The event's type.
        subject: The event's subject.
        correlation_id: The flow it belongs to.
        causation_id: The event that caused the event.
        trace_id: Trace of the span.
        span_id: The span.
        group: Consumer group.
        attempt: 1 for the first.
        error: Why it failed, None if it didn't.
        state: Of a dead letter: `pending`, `redriven`, `dismissed`.
        by: Who redrove it, as the audit says; None if that isn't known.
        duplicate: The same event once more.
        seen_as: `event`, `span` or `both`.
        skewed: It would begin before what led to it: the clocks of two services disagree.
    """

    id: str
    kind: EntryKind
    service: str
    name: str
    start_ns: int
    end_ns: int
    parent: str | None = None
    depth: int = 0
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    event_id: str | None = None
    event_type: str | None = None
    subject: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    group: str | None = None
    attempt: int | None = None
    error: TrailError | None = None
    state: str | None = None
    by: str | None = None
    duplicate: bool = False
    seen_as: str = "span"
    skewed: bool = False


@dataclass(frozen=True, slots=True)
class MissingStep:
    """A step that hasn't happened though its saga isn't over, or ended without it.

    Attributes:
        flow: The saga's flow.
        step: The step.
        expects: Event types that would end it.
        by: The group that should move it, if the flow file says.
        deadline_ms: By when, None if there is no limit or it can't be known yet.
        overdue: That moment has passed.
        lag_messages: How far the group is behind, None if that isn't known.
        since_ms: Since when it is waited for, None if its turn hasn't come.
        until_ms: Until when it was waited for: the present, or the end of its saga.
        undo: It isn't the step that is missing but its taking back.
        ids: Of which of its occurrences, where they have ids.
    """

    flow: str
    step: str
    expects: tuple[str, ...]
    by: str | None
    deadline_ms: int | None
    overdue: bool
    lag_messages: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    undo: bool = False
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrailInputs:
    """Everything a trail is assembled from; the order within each tuple doesn't matter.

    Attributes:
        events: Events of the flow, dead letters' records among them.
        spans: Spans of the flow's traces.
        dead_letters: What dead letter headers said.
        sagas: The flow's saga instances.
        compensating_types: Event types that take back a step, as the flow file says.
        flow_types: Event types that move a saga, as the flow file says.
        redriven_by: Who redrove what was written to a place, as the audit says.
        is_dead_letter_topic: Tells by a topic's name whether it holds dead letters: of what only spans tell,
            nothing else does.
    """

    events: tuple[StoredEvent, ...] = ()
    spans: tuple[Span, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = ()
    sagas: tuple[SagaView, ...] = ()
    compensating_types: frozenset[str] = frozenset()
    flow_types: frozenset[str] = frozenset()
    redriven_by: Mapping[Place, str] = field(default_factory=dict)
    is_dead_letter_topic: Callable[[str], bool] = lambda topic: False


@dataclass(frozen=True, slots=True)
class Trail:
    """One order's way through the services.

    Attributes:
        entries: In causal order: nothing comes before what led to it, whatever the clocks say.
        sagas: The saga instances it belongs to.
        stuck_at: Of each of them, its late steps and why they are late.
        missing: What was expected and hasn't come.
        later: Steps of open sagas whose turn hasn't come.
        subjects: Aggregate ids, most frequent first.
        correlation_ids: Flow ids.
        trace_ids: Traces.
        services: In order of appearance.
        seen_as: `events`, `spans`, or `events and spans`: what it was assembled from.
        start_ns: Start of the first entry by time.
        end_ns: End of the last one.
        notes: Lines for people: clocks that disagree, what is cut off.
    """

    entries: tuple[TrailEntry, ...]
    sagas: tuple[SagaView, ...] = ()
    missing: tuple[MissingStep, ...] = ()
    subjects: tuple[str, ...] = ()
    correlation_ids: tuple[str, ...] = ()
    trace_ids: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    seen_as: str = "events"
    start_ns: int = 0
    end_ns: int = 0
    notes: tuple[str, ...] = field(default=())
    later: tuple[MissingStep, ...] = ()
    stuck_at: tuple[tuple[Diagnosis, ...], ...] = ()
