"""The unit of work: state, outbox and inbox in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from flowtrail import Event, Inbox, Outbox
from orderflow.kernel import DomainEvent


class UnitOfWork:
    """What one command or one event changes: all of it, or nothing.

    Attributes:
        connection: For the repositories; within a transaction.
        published: The events that will go out if the transaction commits.
    """

    def __init__(self, connection: sqlite3.Connection, outbox: Outbox, inbox: Inbox, topic: str) -> None:
        self.connection = connection
        self.published: list[DomainEvent] = []
        self._outbox = outbox
        self._inbox = inbox
        self._topic = topic

    def accept(self, event: Event[Any]) -> bool:
        """Whether the event is new to this service; it won't be the next time, if the transaction commits."""
        return self._inbox.accept(self.connection, event)

    def publish(self, events: Iterable[DomainEvent]) -> None:
        """Put events into the outbox; those that stay within the context are left out."""
        for event in events:
            if not event.published:
                continue
            self._outbox.add(
                self.connection,
                self._topic,
                event.payload(),
                type=event.type(),
                subject=event.order_id,
                version=event.schema_version,
                sequence=event.sequence,
            )
            self.published.append(event)
