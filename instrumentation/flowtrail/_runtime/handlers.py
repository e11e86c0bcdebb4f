"""Handlers, and which of them an event goes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowtrail._event import record_id
from flowtrail._retry import Retry
from flowtrail._runtime.registering import (
    HEADERS_ONLY,
    Oversize,
    check_function,
    check_limits,
    check_names,
    check_types,
)
from flowtrail.clients import KAFKA, BrokerKind, Subscription
from flowtrail.dedupe import Dedupe
from flowtrail.errors import ConfigurationError
from flowtrail.wire import Envelope, Record
from flowtrail.wire.dead_letters import dead_letter_topic
from flowtrail.wire.retry_topics import retry_topic


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that handles events, and how.

    Attributes:
        function: What the user decorated.
        topics: What it listens to.
        types: Event types it takes; None takes all, also records without a type.
        group: Consumer group.
        retry: What happens when it raises.
        dead_letter: What happens then: True for `<topic>.<group>.dlq`, a topic's name, or False to drop.
        dedupe: Where handled events are remembered, None to not look.
        start: Where a group without offsets begins: `earliest` or `latest`.
        concurrency: How many members of the group this process runs.
        model: What `Event[Model]` or `Batch[Model]` asks for, None to take data as decoded.
        is_async: Whether it is a coroutine function.
        batch: Most events per call; None for one event at a time.
        timeout: Longest time for a call in seconds, None for no limit.
        oversize: What becomes of the value of a dead letter that is too large; see `Trail.consumer`.
    """

    function: Callable[..., Any]
    topics: tuple[str, ...]
    types: frozenset[str] | None
    group: str
    retry: Retry
    dead_letter: bool | str
    dedupe: Dedupe | None
    start: str
    concurrency: int
    model: Any
    is_async: bool
    batch: int | None = None
    timeout: float | None = None
    oversize: Oversize = HEADERS_ONLY

    @property
    def name(self) -> str:
        """For messages."""
        return getattr(self.function, "__qualname__", repr(self.function))


class Plan:
    """The handlers of one consumer group.

    Args:
        group: Its name.
        kind: The broker, which may not allow every name.
    """

    def __init__(self, group: str, kind: BrokerKind = KAFKA) -> None:
        self.group = group
        self._kind = kind
        self.handlers: list[Handler] = []
        self._by_topic: dict[str, dict[str | None, Handler]] = {}
        self._origins: dict[str, str] = {}

    @property
    def subscriptions(self) -> list[Subscription]:
        """Everything the group subscribes to, its retry topics too."""
        found = {retry: Subscription(retry, own=True) for retry in self._origins}
        for topic, table in self._by_topic.items():
            types = frozenset(type for type in table if type is not None)
            found[topic] = Subscription(topic, None if None in table else types)
        return [found[topic] for topic in sorted(found)]

    def origin_of(self, topic: str) -> str | None:
        """The topic that a retry topic belongs to, None if it isn't one."""
        return self._origins.get(topic)

    @property
    def own_topics(self) -> list[str]:
        """What the group itself writes to when handlers fail: its retry and dead letter topics."""
        letters = {
            dead_letter_topic(topic, self.group, handler.dead_letter)
            for handler in self.handlers
            if handler.dead_letter is not False
            for topic in handler.topics
        }
        return sorted(letters.union(self._origins))

    @property
    def start(self) -> str:
        """Where the group begins without offsets."""
        return self.handlers[0].start

    @property
    def concurrency(self) -> int:
        """How many members of the group to run."""
        return max(handler.concurrency for handler in self.handlers)

    def add(self, handler: Handler) -> None:
        """Add a handler.

        Raises:
            ConfigurationError: It can't be a handler, would need topics that the broker doesn't allow, or begins
                elsewhere than its group; or another one of the group already takes some of its events.
        """
        check_function(handler.function)
        check_limits(handler.timeout, handler.oversize)
        check_types(self._kind, handler.types or ())
        for topic in handler.topics:
            check_names(
                self._kind, topic, handler.group, handler.dead_letter, len(handler.retry.topics or ())
            )
        for topic in handler.topics:
            for type in handler.types or (None,):
                other = self._clash(topic, type)
                if other is not None:
                    raise ConfigurationError(
                        f"{handler.name} and {other.name} both take {type or 'all events'} of {topic} in "
                        f"group {self.group}: give one of them another group, or other types"
                    )
        if self.handlers and handler.start != self.start:
            raise ConfigurationError(
                f"{handler.name} starts at {handler.start}, but its group {self.group} at {self.start}"
            )
        self.handlers.append(handler)
        for topic in handler.topics:
            table = self._by_topic.setdefault(topic, {})
            for type in handler.types or (None,):
                table[type] = handler
            for attempt in range(1, len(handler.retry.topics or ()) + 1):
                self._origins[retry_topic(topic, self.group, attempt)] = topic

    def _clash(self, topic: str, type: str | None) -> Handler | None:
        table = self._by_topic.get(topic, {})
        if type is None:
            return next(iter(table.values()), None)
        return table.get(type) or table.get(None)

    def find(self, topic: str, type: str | None) -> Handler | None:
        """The handler of an event, None if nobody takes it."""
        table = self._by_topic.get(self._origins.get(topic, topic))
        if table is None:
            return None
        return table.get(type) or table.get(None)


class Identity(NamedTuple):
    """What identifies an event, before it is decoded."""

    id: str
    source: str | None
    subject: str | None
    sequence: int | None


def identity(record: Record, envelope: Envelope) -> Identity:
    """What identifies the event in a record; where it names no id, its place does."""
    return Identity(envelope.id or record_id(record), envelope.source, envelope.subject, envelope.sequence)


def names(value: str | Iterable[str] | None, what: str) -> tuple[str, ...]:
    """One name or several as a tuple.

    Raises:
        ConfigurationError: There is none, or one is empty.
    """
    found = (value,) if isinstance(value, str) else tuple(value or ())
    if not found or not all(found):
        raise ConfigurationError(f"at least one {what} is needed, and none may be empty")
    return found
