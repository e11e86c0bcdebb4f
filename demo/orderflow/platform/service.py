"""A service: its trail, its database, and the handlers of one bounded context."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from flowtrail import Event, Inbox, Retry, Trail
from orderflow.kernel import DomainError
from orderflow.platform.contracts import contracts
from orderflow.platform.database import connect, transaction
from orderflow.platform.messages import MalformedMessageError, Message
from orderflow.platform.settings import RABBITMQ, Settings
from orderflow.platform.unit import UnitOfWork

Handle = Callable[[UnitOfWork, Message], None]


class Subscription(NamedTuple):
    """What a service listens to.

    Attributes:
        topic: Its name, without namespace.
        service: Who listens.
        types: Event types that it handles.
    """

    topic: str
    service: str
    types: tuple[str, ...]


class Service:
    """Wires one bounded context to the brokers and to its SQLite file.

    A topic is on one broker, so a context that reads one on Kafka and one on RabbitMQ has a trail for each; its
    handlers don't know.

    Args:
        settings: Of the service.
        topic: Where its events go, without namespace; None for one that publishes nothing.
        schema: SQL that creates its tables, if they don't exist.

    Attributes:
        settings: As given.
        trail: Publishes, and consumes what is on the same broker.
        subscriptions: What it listens to.
    """

    def __init__(self, settings: Settings, topic: str | None, schema: str) -> None:
        self.settings = settings
        self.subscriptions: list[Subscription] = []
        self._trails: dict[str, Trail] = {}
        self.trail = self._trail_for(topic or settings.service)
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

    def _trail_for(self, topic: str) -> Trail:
        """The trail on the broker of a topic."""
        broker = self.settings.broker_of(topic)
        if broker not in self._trails:
            self._trails[broker] = (
                Trail(self.settings.service, self.settings.rabbitmq_url, client="pika", contracts=contracts())
                if broker == RABBITMQ
                else Trail(self.settings.service, self.settings.bootstrap_servers, contracts=contracts())
            )
        return self._trails[broker]

    def _connect(self) -> sqlite3.Connection:
        return connect(self.settings.database)

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        """A unit of work; commits at the end of the block, an exception rolls it back."""
        with transaction(self.settings.database) as connection:
            yield UnitOfWork(connection, self._outbox, self._inbox, self._topic)

    def consume(self, topic: str, types: Iterable[str], handle: Handle) -> None:
        """Have `handle` called once per event of these types, in the transaction that remembers the event."""
        kinds = tuple(types)
        self.subscriptions.append(Subscription(topic, self.settings.service, kinds))

        @self._trail_for(topic).consumer(
            self.settings.topic(topic),
            types=kinds,
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

    def ready(self, timeout_seconds: float = 0.0) -> bool:
        """Whether it has joined its group on every broker, waiting for each if asked to."""
        return all(trail.ready(timeout_seconds) for trail in self._trails.values())

    def run(self) -> None:
        """Handle events until SIGTERM or SIGINT, then stop cleanly; see `Trail.run`."""
        with self._running(trail for trail in self._trails.values() if trail is not self.trail):
            self.trail.run()
        self.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Handle events while the block runs; signals are left alone."""
        with self._running(self._trails.values()):
            yield

    @staticmethod
    @contextmanager
    def _running(trails: Iterable[Trail]) -> Iterator[None]:
        with ExitStack() as stack:
            for trail in trails:
                stack.enter_context(trail.running())
            yield

    def close(self) -> None:
        """Stop what runs and close its connections."""
        for trail in self._trails.values():
            trail.close()
