"""Remembering which events were handled."""

from __future__ import annotations

from typing import Literal, Protocol

from flowtrail.errors import ConfigurationError

By = Literal["id", "sequence"]


class Identified(Protocol):
    """What identifies an event; every `Event` has it."""

    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str | None: ...
    @property
    def subject(self) -> str | None: ...
    @property
    def sequence(self) -> int | None: ...


class Dedupe(Protocol):
    """Where a consumer remembers what it has handled, for `@trail.consumer(dedupe=...)`.

    The runtime asks before the handler runs, and tells once the handler has returned and its publications are
    acknowledged. A crash in between repeats the event; only `Inbox`, in the handler's own transaction, closes
    that gap.
    """

    def key(self, event: Identified) -> str:
        """What identifies an event; equal keys are the same event."""
        ...

    def is_handled(self, consumer: str, key: str) -> bool:
        """Whether this consumer has handled the event before."""
        ...

    def mark_handled(self, consumer: str, key: str) -> None:
        """This consumer has handled the event; marking it again changes nothing."""
        ...


def check_by(by: str) -> None:
    """Refuse an unknown way to identify events.

    Raises:
        ConfigurationError: It is neither `id` nor `sequence`.
    """
    if by not in ("id", "sequence"):
        raise ConfigurationError(f"by is {by!r}, should be 'id' or 'sequence'")


def event_key(event: Identified, by: str) -> str:
    """What identifies an event.

    Args:
        event: The event.
        by: `id`: source and id, which CloudEvents promises to be unique. `sequence`: source, subject and
            sequence, which also recognises an event that was published twice under different ids; for events
            without a sequence the id serves.
    """
    source = event.source or ""
    if by == "sequence" and event.subject is not None and event.sequence is not None:
        return f"{source} {event.subject}#{event.sequence}"
    return f"{source} {event.id}"
