"""Reads dead letters where they lie, publishes their copies, and takes them away once that is written down."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowtrail.errors import EncodeError
from flowtrail.wire import Record
from flowtrail.wire.amqp import shown_key, to_amqp
from flowtrail.wire.amqp_frames import room_for_table
from flowtrail.wire.amqp_pika import properties_with_table
from flowtrail.wire.amqp_tables import encoded
from flowtrail_collector.broker_names import RABBITMQ, rabbitmq_name, without_broker
from flowtrail_collector.brokers.rabbitmq.browsing import MOST_ALIKE, Look
from flowtrail_collector.brokers.rabbitmq.connection import (
    INTERNAL_ERROR,
    RefusedError,
    disconnect,
    pika_module,
    said_by,
)
from flowtrail_collector.brokers.rabbitmq.deliveries import connect_to_read
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.dead_letters.model.letter import Place
from flowtrail_collector.dead_letters.ports import Ack, Outgoing
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig

if TYPE_CHECKING:
    from pika import BlockingConnection
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["QueueMover"]

_MAX_SERVER_SECONDS = 30.0
_PATIENCE_SECONDS, _PAUSE_SECONDS = 5.0, 0.1


class QueueMover:
    """`RecordMover` on a virtual host. One thread at a time.

    What was read is held until it is settled, so that it can be taken away.

    Args:
        config: Which one.
        looking: Held by whoever goes through a queue: what one holds, nobody else sees.
    """

    def __init__(self, config: RabbitConfig, looking: threading.Lock) -> None:
        self._config = config
        self._looking = looking
        self._management = Management(config)
        self._connection: BlockingConnection | None = None
        self._publisher: BlockingChannel | None = None
        self._looks: list[Look] = []
        self._held: dict[Place, tuple[Look, int]] = {}
        self._exchanges: frozenset[str] = frozenset()

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """See `RecordMover.partitions`: an exchange or a queue is one."""
        self._exchanges = frozenset(str(each["name"]) for each in self._management.exchanges())
        there = self._exchanges | {str(each["name"]) for each in self._management.queues()}
        return {topic: 1 for topic in topics if topic.startswith(RABBITMQ) and without_broker(topic) in there}

    def make_topic(self, topic: str, partitions: int) -> None:
        """See `RecordMover.make_topic`: a durable queue."""
        with said_by(self._config):
            channel = self._connected().channel()
            channel.queue_declare(without_broker(topic), durable=True, arguments={"x-queue-type": "quorum"})
            channel.close()

    def read(self, places: Sequence[Place], timeout_seconds: float) -> Mapping[Place, Record]:
        """See `RecordMover.read`."""
        wanted: dict[str, list[int]] = defaultdict(list)
        for topic, _, number in sorted(set(places)):
            wanted[topic].append(number)
        found: dict[Place, Record] = {}
        try:
            for topic, theirs in wanted.items():
                self._read_queue(topic, theirs, found, min(timeout_seconds, _PATIENCE_SECONDS))
        except ServiceUnreachableError:
            self.close()
            raise
        return found

    def size_limits(self, topics: Iterable[str]) -> Mapping[str, int]:
        """See `RecordMover.size_limits`: RabbitMQ has one for all, and doesn't tell it."""
        return {}

    def exceeded_limits(self, records: Sequence[Outgoing]) -> list[int | None]:
        """See `RecordMover.exceeded_limits`."""
        return [None] * len(records)

    def publish(self, records: Sequence[Outgoing]) -> list[Ack]:
        """See `RecordMover.publish`: each is confirmed by the server before the next."""
        deadline = time.monotonic() + _MAX_SERVER_SECONDS
        acks: list[Ack] = []
        for record in records:
            if time.monotonic() > deadline:
                acks.append(Ack(problem="not confirmed in time"))
                continue
            try:
                acks.append(self._publish(record))
            except RefusedError as error:
                self._publisher = None
                # It closes the connection over a copy that a queue has, and a stream can't take.
                unsure = " (it may have arrived)" if error.code == INTERNAL_ERROR else ""
                acks.append(Ack(problem=f"{error}{unsure}", final=True))
            except ServiceUnreachableError as error:
                self.close()
                acks.append(Ack(problem=str(error)))
        return acks

    def settled(self, places: Iterable[Place]) -> None:
        """See `RecordMover.settled`: those leave their queue, all others go back to their places."""
        left = [place for place in places if place in self._held]
        # If the server goes away meanwhile they stay where they are, and count as dead letters again.
        with suppress(ServiceUnreachableError):
            try:
                self._take(left)
            except ServiceUnreachableError:
                # A connection that was closed over one of the copies has let go of all originals.
                self.close()
                self.read(left, _PATIENCE_SECONDS)
                self._take([place for place in left if place in self._held])
        self.close()

    def close(self) -> None:
        """See `RecordMover.close`."""
        self._held, self._publisher = {}, None
        looks, self._looks = self._looks, []
        connection, self._connection = self._connection, None
        self._management.close()
        with suppress(ServiceUnreachableError):
            for look in looks:
                look.close()
            if connection is not None:
                disconnect(self._config, connection)

    def _take(self, places: list[Place]) -> None:
        """Take what is held from its queue; what was taken leaves the list."""
        while places:
            look, tag = self._held[places[-1]]
            look.take(tag)
            places.pop()

    def _connected(self) -> BlockingConnection:
        if self._connection is None or not self._connection.is_open:
            self._publisher = None
            self._connection = connect_to_read(self._config, "redrive")
        return self._connection

    def _read_queue(
        self, topic: str, wanted: list[int], found: dict[Place, Record], patience_seconds: float
    ) -> None:
        """Find what is wanted, or see often enough that it isn't there: what another look held comes back late."""
        deadline = time.monotonic() + patience_seconds
        while True:
            with self._looking:
                exists = self._look_for(topic, wanted, found)
            if not exists or not wanted or time.monotonic() >= deadline:
                return
            time.sleep(_PAUSE_SECONDS)

    def _look_for(self, topic: str, wanted: list[int], found: dict[Place, Record]) -> bool:
        """Go through a queue once; whether there is one."""
        look = Look(self._config, self._connected(), without_broker(topic))
        self._looks.append(look)
        known = len(found)
        try:
            # To the end: what a quorum queue takes back goes behind what wasn't looked at.
            for record, tag in look.messages():
                # Of messages that are the same in everything, any will do.
                at = bisect_left(wanted, record.offset)
                if at == len(wanted) or wanted[at] >= record.offset + MOST_ALIKE:
                    continue
                place = (topic, record.partition, wanted.pop(at))
                found[place] = replace(record, offset=place[2])
                self._held[place] = look, tag
        except RefusedError:  # no such queue: it may be an exchange, whose messages are gone
            return False
        if len(found) == known:
            self._looks.remove(look)
            look.close()
        return True

    def _publish(self, record: Outgoing) -> Ack:
        pika: Any = pika_module()
        try:
            sent = to_amqp(record.key, record.value, record.headers, int(time.time() * 1000))
            table = encoded(sent.table)
        except EncodeError as error:
            return Ack(problem=str(error), final=True)
        name = without_broker(record.topic)
        to_exchange = name in self._exchanges
        exchange, routing_key = (name, sent.routing_key) if to_exchange else ("", name)
        room = room_for_table(sent.properties)
        if len(table) > room:
            problem = f"{len(table)} bytes of headers are more than RabbitMQ takes ({room})"
            return Ack(problem=problem, final=True)
        properties = properties_with_table(pika.BasicProperties)(table, **sent.properties)
        with said_by(self._config):
            try:
                self._publishing().basic_publish(exchange, routing_key, sent.body, properties, mandatory=True)
            except pika.exceptions.UnroutableError:
                return Ack(
                    problem=f"no queue is bound for {shown_key(routing_key)} of {exchange or 'the default exchange'}",
                    final=True,
                )
            except pika.exceptions.NackError:
                return Ack(problem=f"{rabbitmq_name(name)} accepts no more messages")
        return Ack(0, -1)

    def _publishing(self) -> BlockingChannel:
        if self._publisher is None or not self._publisher.is_open:
            self._publisher = self._connected().channel()
            self._publisher.confirm_delivery()
        return self._publisher
