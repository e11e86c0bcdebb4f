"""A dead letter as it is kept, and which of them somebody means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["PENDING", "QUARANTINED", "REDRIVEN", "STATES", "DeadLetter", "LetterKey", "Place", "Selection"]

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""

LetterKey = tuple[int | None, int, str, int]
"""A dead letter's place in lists, the newest first: timestamp, offset, topic, partition."""

PENDING = "pending"
QUARANTINED = "quarantined"
REDRIVEN = "redriven"
STATES = (PENDING, REDRIVEN, QUARANTINED, "dismissed")
"""What a dead letter can be."""


class DeadLetter(NamedTuple):
    """A dead letter: where it stands, which event it is, what became of it, and what its headers said.

    Never its payload. Times are milliseconds since the epoch.

    Attributes:
        topic: The dead letter topic; partition, offset and timestamp_ms are those of the record in it.
        event_id: Id of the event; its type, subject and correlation id likewise.
        state: One of `STATES`.
        convention: Whose headers they are; from here on as in `DeadLetterHeaders`.
        cause: Fingerprint of why it died, see `causes.cause_of`.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None = None
    event_id: str | None = None
    event_type: str | None = None
    subject: str | None = None
    correlation_id: str | None = None
    state: str = PENDING
    convention: str = "unknown"
    source_topic: str | None = None
    source_partition: int | None = None
    source_offset: int | None = None
    source_timestamp_ms: int | None = None
    group: str | None = None
    attempts: int | None = None
    replays: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    failed_ms: int | None = None
    oversize: str | None = None
    cause: str | None = None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.topic, self.partition, self.offset

    @property
    def key(self) -> LetterKey:
        """Its place in the order of lists."""
        return self.timestamp_ms, self.offset, self.topic, self.partition

    @property
    def given_up_ms(self) -> int | None:
        """When it was given up: as the headers say, else when it arrived."""
        return self.timestamp_ms if self.failed_ms is None else self.failed_ms


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters; None filters nothing. Times are milliseconds since the epoch.

    Attributes:
        topic: The dead letter topic they stand in; partition and offset name one record of it.
        source_topic: The topic they came from.
        group: The consumer group that gave them up.
        error_type: Class of the error.
        id: Id of the event, of the flow it belongs to, or of the aggregate, e.g. the order.
        flow: Name of a flow of the flow file.
        since_ms: Those that arrived in the dead letter topic at this time or later.
        until_ms: Those that arrived before this time.
        state: One of `STATES`; None for any.
        cause: Fingerprint of why they died.
        as_of: Number of a change of dead letters: only those that were there, and so, then. Who has counted some
            means these, and none that came since.
    """

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    source_topic: str | None = None
    group: str | None = None
    error_type: str | None = None
    id: str | None = None
    flow: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    state: str | None = PENDING
    cause: str | None = None
    as_of: int | None = None

    @property
    def named(self) -> dict[str, str | int]:
        """What narrows it, by the names that people use; without the state."""
        values = {
            "topic": self.topic, "partition": self.partition, "offset": self.offset, "source": self.source_topic,
            "group": self.group, "error": self.error_type, "cause": self.cause, "id": self.id, "flow": self.flow,
            "since_ms": self.since_ms, "until_ms": self.until_ms,
        }  # fmt: skip
        return {name: value for name, value in values.items() if value is not None}

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it."""
        return not self.named
