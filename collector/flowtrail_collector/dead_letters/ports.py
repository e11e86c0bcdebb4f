"""What redriving needs of the store and of the broker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from flowtrail.wire import Header, Record
from flowtrail_collector.dead_letters.model.audit import AuditLine, WriteLine
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Place, Selection
from flowtrail_collector.dead_letters.model.redrive import Action
from flowtrail_collector.dead_letters.model.replacement import Replacement
from flowtrail_collector.dead_letters.model.survey import Group
from flowtrail_collector.metrics.counts import Counters

DEFAULT_REPLAY_LIMIT = 3


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asked for.

    Attributes:
        selection: Which of the pending dead letters.
        to: A topic to send them to instead of their own, or None.
        rate: At most so many a second; 0 for no limit.
        replay_limit: What has been sent back so often goes to quarantine.
        actor: Who asked, for the audit.
        expected_total: How many were counted: nothing is done if more match by then. None for any number.
        edit: What of the one dead letter was replaced and why, for the audit; empty: it goes as it is.
    """

    selection: Selection = field(default_factory=Selection)
    to: str | None = None
    rate: float = 0.0
    replay_limit: int = DEFAULT_REPLAY_LIMIT
    actor: str = ""
    edit: str = ""
    expected_total: int | None = None


class JobState(StrEnum):
    """How a redrive job stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A redrive as the store knows it. Times are milliseconds since the epoch.

    Attributes:
        id: Its name.
        order: What was asked for.
        state: How it stands.
        total: Dead letters that matched when it was asked for.
        redriven: Sent back to a topic.
        quarantined: Sent to a quarantine topic.
        refused: Left where they are.
        created_ms: When it was asked for.
        updated_ms: When it last got on.
        ended_ms: When it ended, None while it runs.
        cursor: The last place dealt with, None at the beginning.
        refusals: Of the refused, how many for which reason.
        bounds: The last place of each partition that belongs to it.
        revision: How often it got on; whoever moves it on says from which.
    """

    id: str
    order: Order
    state: JobState
    total: int
    created_ms: int
    updated_ms: int
    redriven: int = 0
    quarantined: int = 0
    refused: int = 0
    ended_ms: int | None = None
    cursor: Place | None = None
    refusals: Mapping[str, int] = field(default_factory=dict)
    bounds: Sequence[Place] = ()
    revision: int = 0

    @property
    def left(self) -> int:
        """How many are still to be dealt with, as far as that is known."""
        return max(0, self.total - self.redriven - self.quarantined - self.refused)


class Moved(NamedTuple):
    """A dead letter whose copy the broker has acknowledged at `target_offset`."""

    letter: DeadLetter
    action: Action
    target_topic: str
    target_partition: int
    target_offset: int
    replays: int


class DeadLetterFigures(Counters, Protocol):
    """What the metrics of dead letters show."""

    def pending_dead_letters(self) -> list[tuple[str, str, str, int, int | None]]:
        """(dead letter topic, source topic, group, pending, timestamp of the oldest in ms)."""
        ...


class RedriveStore(Protocol):
    """Dead letters, jobs and audit in the store."""

    def last_change(self) -> int:
        """The number of the last change of dead letters, see `Selection.as_of`."""
        ...

    def groups(self, selection: Selection, now_ms: int) -> list[Group]:
        """The pending dead letters of a selection, counted by what is alike."""
        ...

    def letter(self, place: Place) -> DeadLetter | None:
        """One dead letter."""
        ...

    def find(self, wanted: str, limit: int) -> list[DeadLetter]:
        """The dead letters of an event, a flow or an aggregate by its id, the newest first."""
        ...

    def dead_letter_topics(self, topics: Iterable[str]) -> set[str]:
        """Those of these topics that dead letters were found in."""
        ...

    def matching(self, selection: Selection, limit: int) -> list[DeadLetter]:
        """The dead letters of a selection in the order of their topics, at most so many."""
        ...

    def oversize(self, selection: Selection, limit: int) -> list[DeadLetter]:
        """Those of them whose value was left out."""
        ...

    def add_job(self, order: Order, now_ms: int) -> Job:
        """Begin a job over the pending dead letters that match now, and none that come later.

        Raises:
            CountedOtherwiseError: More match than expected; there is no job.
        """
        ...

    def job(self, job_id: str) -> Job | None:
        """One job."""
        ...

    def jobs(self, limit: int) -> list[Job]:
        """Jobs, the newest first."""
        ...

    def next_job(self) -> Job | None:
        """The oldest job that isn't over."""
        ...

    def replacement(self, job_id: str) -> Replacement | None:
        """What a job that edits puts in place; None once it is over, or if it edits nothing."""
        ...

    def next_letters(self, job: Job, limit: int) -> list[DeadLetter]:
        """What comes after the job's cursor: topic by topic, of each partition the oldest first."""
        ...

    def settle(
        self,
        job: Job,
        moved: Sequence[Moved],
        refusals: Mapping[str, int],
        cursor: Place | None,
        now_ms: int,
    ) -> Job:
        """Write down, in one transaction, what became of a batch: states, audit, counters, progress.

        Raises:
            FencedError: Somebody else has moved the job on; nothing was written.
        """
        ...

    def end_job(self, job_id: str, state: JobState, now_ms: int) -> Job | None:
        """End a job that runs; one that is over stays as it is."""
        ...

    def dismiss(self, order: Order, note: str, now_ms: int) -> int:
        """Mark the dead letters that match now as dealt with, and none that come meanwhile; gives their number.

        Raises:
            CountedOtherwiseError: More match than expected; none is marked.
        """
        ...

    def note_write(self, line: WriteLine) -> None:
        """Add a line to the audit of writes."""
        ...

    def writes(self, limit: int) -> list[WriteLine]:
        """Lines of the audit of writes, the newest first."""
        ...

    def audit(self, limit: int, *, job: str | None = None, place: Place | None = None) -> list[AuditLine]:
        """Lines of the audit, the newest first."""
        ...

    def redriven_counts(self) -> Mapping[tuple[str, str, str, str], int]:
        """Dead letters dealt with by (topic, source topic, group, action)."""
        ...


class Outgoing(NamedTuple):
    """A record to publish; `partition` None leaves it to the key."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


class Ack(NamedTuple):
    """What became of an `Outgoing`: written at `offset`, or why not.

    `final` means that trying again is of no use; `too_large`, that the topic doesn't take what size it has.
    """

    partition: int = -1
    offset: int = -1
    problem: str | None = None
    final: bool = False
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class HeadersLackingRecord(Record):
    """A record whose headers its client can't give: without them it isn't to be published again."""


class RecordMover(Protocol):
    """Reads single records and publishes copies."""

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """The number of partitions of those topics that exist.

        Raises:
            ServiceUnreachableError: No broker answers.
        """
        ...

    def make_topic(self, topic: str, partitions: int) -> None:
        """Make a topic if it isn't there.

        Raises:
            ServiceUnreachableError: It can't be made; says why.
        """
        ...

    def read(self, places: Sequence[Place], timeout_seconds: float) -> Mapping[Place, Record]:
        """The records at these places, without those that are gone; those of a partition in the order they lie there.

        Args:
            places: Where.
            timeout_seconds: How long nothing may come before it counts as unreachable.

        Raises:
            ServiceUnreachableError: No broker answers.
        """
        ...

    def size_limits(self, topics: Iterable[str]) -> Mapping[str, int]:
        """The largest batch in bytes that a topic takes, of those topics that tell.

        Raises:
            ServiceUnreachableError: No broker answers.
        """
        ...

    def exceeded_limits(self, records: Sequence[Outgoing]) -> list[int | None]:
        """For each record the limit of its topic in bytes that it exceeds, None if it fits or isn't known.

        Raises:
            ServiceUnreachableError: No broker answers.
        """
        ...

    def publish(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Publish and wait: one `Ack` for each record."""
        ...

    def settled(self, places: Iterable[Place]) -> None:
        """Let go of what was read.

        Args:
            places: Dead letters of which it is written down that their copies are published: a queue doesn't keep them.
        """
        ...

    def close(self) -> None:
        """Let go of the connections; they come back with the next call."""
        ...
