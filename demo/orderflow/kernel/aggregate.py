"""What an aggregate is: a consistency boundary that counts its versions and raises events."""

from __future__ import annotations

from orderflow.kernel.events import DomainEvent


class Aggregate:
    """Base of all aggregates.

    Attributes:
        version: Number of events it has raised in its life; the next event's sequence is one more.
    """

    def __init__(self, version: int = 0) -> None:
        self.version = version
        self._raised: list[DomainEvent] = []

    @property
    def next_sequence(self) -> int:
        """Sequence of the next event."""
        return self.version + 1

    def record(self, event: DomainEvent) -> None:
        """Raise an event."""
        if event.sequence != self.next_sequence:
            raise ValueError(f"{event.type()} has sequence {event.sequence}, not {self.next_sequence}")
        self.version = event.sequence
        self._raised.append(event)

    def collect(self) -> tuple[DomainEvent, ...]:
        """The events raised since the last call, oldest first."""
        raised, self._raised = tuple(self._raised), []
        return raised
