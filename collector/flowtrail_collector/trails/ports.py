"""What the trail finder reads, whatever store it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowtrail_collector.dead_letters.model.letter import DeadLetter, Place
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.events.topics import TopicRead
from flowtrail_collector.sagas.model.view import SagaView


class TrailReader(Protocol):
    """Events, dead letters and sagas by id. Every answer has a limit; an unknown id gives an empty list."""

    def events_by_id(self, event_id: str, limit: int) -> list[StoredEvent]:
        """Records that carry this event id."""
        ...

    def events_by_subject(self, subject: str, limit: int) -> list[StoredEvent]:
        """Records with this subject, oldest first."""
        ...

    def events_by_correlation(self, correlation_ids: Sequence[str], limit: int) -> list[StoredEvent]:
        """Records of these flows, oldest first."""
        ...

    def events_by_trace(self, trace_id: str, limit: int) -> list[StoredEvent]:
        """Records published within this trace, oldest first."""
        ...

    def topics_read(self) -> list[TopicRead]:
        """What was read of each topic, by name."""
        ...

    def dead_letters(self, event_ids: Sequence[str], limit: int) -> list[DeadLetter]:
        """What the dead letters of these events say."""
        ...

    def redriven_by(self, places: Sequence[Place]) -> dict[Place, str]:
        """Who redrove what was written to these places, as the audit says; without those it doesn't know."""
        ...

    def sagas(self, correlation_ids: Sequence[str], subjects: Sequence[str], limit: int) -> list[SagaView]:
        """Saga instances of these flows or aggregates."""
        ...
