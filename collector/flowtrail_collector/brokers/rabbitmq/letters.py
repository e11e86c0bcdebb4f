"""Finds dead letters in the queues that hold them, and leaves them there."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from flowtrail.wire import Record
from flowtrail_collector.broker_names import rabbitmq_name
from flowtrail_collector.brokers.rabbitmq.browsing import MOST_ALIKE, Look, counts_looks
from flowtrail_collector.brokers.rabbitmq.connection import UndecodableError, disconnect, said_by
from flowtrail_collector.brokers.rabbitmq.deliveries import connect_to_read
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.brokers.trouble import Trouble
from flowtrail_collector.conditions import Starting
from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.model.letter import Selection
from flowtrail_collector.dead_letters.model.redrive import Action
from flowtrail_collector.errors import ServiceUnreachableError, StoreError
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.settings import RabbitConfig
from flowtrail_collector.wording import counted

if TYPE_CHECKING:
    from pika import BlockingConnection

__all__ = ["LetterFinder"]

logger = logging.getLogger("flowtrail_collector")

_EVERY_SECONDS = 2.0
_PORTION = 500
_MOST_KNOWN = 100_000
_SENT_BACK = Action.REDRIVEN.value


class LetterFinder:
    """A `Part` that looks into each queue of dead letters when something in it has changed.

    Args:
        config: Which virtual host.
        holds_dead_letters: Tells by its name whether a queue holds them.
        ingest: Where they go.
        lists: Tells which ones are known.
        looking: Held by whoever goes through a queue: what one holds, nobody else sees.
    """

    name = "rabbitmq dead letters"
    is_shared = False

    def __init__(
        self,
        config: RabbitConfig,
        holds_dead_letters: Callable[[str], bool],
        ingest: Ingest,
        lists: DeadLetterLists,
        looking: threading.Lock,
    ) -> None:
        self._config = config
        self._holds_dead_letters = holds_dead_letters
        self._ingest = ingest
        self._lists = lists
        self._looking = looking
        self._trouble = Trouble(
            Starting("hasn't reached RabbitMQ yet"),
            lambda: f"watching {counted(self.partitions, 'queue')} of dead letters",
        )
        self._looked: dict[str, tuple[Any, ...]] = {}
        self._refused: dict[str, str] = {}
        self._undecodable: dict[str, tuple[Any, ...]] = {}
        self._depths: dict[str, int] = {}

    @property
    def partitions(self) -> int:
        """How many queues are looked into."""
        return len(self._looked)

    @property
    def problem(self) -> str | None:
        """Why dead letters aren't seen at present, None when they are.

        A single queue that isn't read keeps nobody from being served: the log names it.
        """
        return self._trouble.problem

    def dead_letter_depths(self) -> Mapping[str, int]:
        """Messages in each queue of dead letters, as of a few seconds ago."""
        return dict(self._depths)

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        while not stop.is_set():
            try:
                self._follow(stop)
            except (StoreError, ServiceUnreachableError) as error:
                self._trouble.note(str(error))
            stop.wait(_EVERY_SECONDS)

    def _follow(self, stop: threading.Event) -> None:
        with contextlib.ExitStack() as closing:
            management = Management(self._config)
            closing.callback(management.close)
            connection = connect_to_read(self._config, "dead-letters")
            closing.callback(disconnect, self._config, connection)
            version = management.version()
            while not stop.is_set() and self._look_around(management, connection, version):
                self._trouble.note(None)
                with said_by(self._config):
                    connection.process_data_events(0)
                stop.wait(_EVERY_SECONDS)

    def _look_around(self, management: Management, connection: BlockingConnection, version: str) -> bool:
        """Look into the queues that have changed; whether the connection is still good for more."""
        queues = {
            str(each["name"]): each
            for each in management.queues()
            if each.get("type") != "stream" and self._holds_dead_letters(str(each["name"]))
        }
        self._depths = {rabbitmq_name(name): int(each.get("messages") or 0) for name, each in queues.items()}
        refused: dict[str, str] = {}
        for name, queue in queues.items():
            if not connection.is_open:
                break
            state = queue.get("messages"), (queue.get("message_stats") or {}).get("publish")
            if counts_looks(queue, version):
                refused[name] = (
                    f"queue {name} isn't read: each read counts against its delivery limit, and what reaches that"
                    " is dropped: on RabbitMQ 4 set x-delivery-limit to -1 (policy delivery-limit), before 4 none"
                )
            elif not queue.get("messages"):
                self._looked[name] = state
            elif name in self._undecodable and self._undecodable[name] == state:
                refused[name] = self._refused[name]
            elif self._looked.get(name) != state:
                problem = self._try_to_look(connection, name, state)
                if problem is not None:
                    refused[name] = problem
        # Of those that it didn't come to, what is known stays.
        unseen = (
            {}
            if connection.is_open
            else {name: self._refused[name] for name in self._refused.keys() & queues}
        )
        self._tell(unseen | refused)
        return bool(connection.is_open)

    def _try_to_look(self, connection: BlockingConnection, queue: str, state: tuple[Any, ...]) -> str | None:
        """Look into a queue; why that can't be done, None if it can."""
        try:
            with self._looking:
                self._look(connection, queue)
        except UndecodableError as error:
            self._undecodable[queue] = state
            return (
                f"queue {queue} is read up to a message that can't be: {error}: update pika, or take it out"
            )
        except ServiceUnreachableError as error:
            if not connection.is_open:
                raise
            return f"queue {queue} isn't read: {error}"
        self._looked[queue] = state
        return None

    def _look(self, connection: BlockingConnection, queue: str) -> None:
        states = self._states(rabbitmq_name(queue))
        look = Look(self._config, connection, queue)
        new: list[Incoming] = []
        taken: set[int] = set()
        try:
            for record, _ in look.messages():
                number = _number_of(record.offset, states, taken)
                taken.add(number)
                if number not in states:
                    new.append(_incoming(record, number))
                if len(new) >= _PORTION:
                    self._ingest.apply(new, ())
                    new = []
        except UndecodableError:
            self._ingest.apply(new, ())
            raise
        finally:
            look.close()
        if new:
            self._ingest.apply(new, ())

    def _states(self, topic: str) -> Mapping[int, str]:
        letters = self._lists.list_dead_letters(Selection(topic=topic, state=None), _MOST_KNOWN)
        return {letter.offset: letter.state for letter in letters}

    def _tell(self, refused: Mapping[str, str]) -> None:
        for name in refused.keys() - self._refused.keys():
            logger.warning("%s", refused[name])
        self._refused = dict(refused)


def _number_of(first: int, states: Mapping[int, str], taken: Collection[int]) -> int:
    """Which of the messages that are the same in everything one is.

    What was sent back has left its queue: a message like it is another one, or came back when the collector was killed
    before it could take it away. Either way it is there, and waits.

    Args:
        first: The first number that it may have.
        states: What became of the letters that are known.
        taken: Numbers of messages before it.
    """
    number = first
    while (number in taken or states.get(number) == _SENT_BACK) and number < first + MOST_ALIKE - 1:
        number += 1
    return number


def _incoming(record: Record, number: int) -> Incoming:
    """Of a message that doesn't say when it was sent it counts when it was seen."""
    seen_ms = int(time.time() * 1000)
    return Incoming(
        record.topic,
        record.partition,
        number,
        seen_ms if record.timestamp_ms is None else record.timestamp_ms,
        record.key,
        record.headers,
        dead_letter=True,
        value=lambda: record.value,
    )
