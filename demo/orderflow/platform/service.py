"""A service: its trail, its database, and the handlers of one bounded context."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flowtrail import Event, Inbox, Retry, Trail
from orderflow.kernel import DomainError
from orderflow.platform.contracts import contracts
from orderflow.platform.database import connect, transaction
from orderflow.platform.messages import MalformedMessageError, Message
from orderflow.platform.settings import Settings
from orderflow.platform.unit import UnitOfWork

Handle = Callable[[UnitOfWork, Message], None]


class Service:
    """Wires one bounded context to the broker and to its SQLite file.

    Args:
        settings: Of the service.
        topic: Where its events go, without namespace; None for one that publishes nothing.
        schema: SQL that creates its tables, if they don't exist.

    Attributes:
        settings: As given.
        trail: Publishes and consumes.
    """

    def __init__(self, settings: Settings, topic: str | None, schema: str) -> None:
        self.settings = settings
        self.trail = Trail(settings.service, settings.bootstrap_servers, contracts=contracts())
        self._topic = settings.topic(topic or settings.service)
        self._outbox = self.trail.outbox(self._connect)
        self._inbox = Inbox(settings.service)
        connection = self._connect()
        try:
            connection.executescript(schema)
            self._outbox.create_table(connection)
            self._inbox.create_table(connection)
        finally:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        return connect(self.settings.database)

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        """A unit of work; commits at the end of the block, an exception rolls it back."""
        with transaction(self.settings.database) as connection:
            yield UnitOfWork(connection, self._outbox, self._inbox, self._topic)

    def consume(self, topic: str, types: Iterable[str], handle: Handle) -> None:
        """Have `handle` called once per event of these types, in the transaction that remembers the event."""

        @self.trail.consumer(
            self.settings.topic(topic),
            types=list(types),
            group=self.settings.group,
            retry=Retry(attempts=4, initial_seconds=0.05, never_on=(DomainError, MalformedMessageError)),
            dead_letter=True,
        )
        def on_event(event: Event[Any]) -> None:
            self.handle(event, handle)

    def handle(self, event: Event[Any], handle: Handle) -> bool:
        """Handle one event; False if it had been handled before."""
        message = Message.of(event)
        with self.unit() as unit:
            if not unit.accept(event):
                return False
            handle(unit, message)
        return True
