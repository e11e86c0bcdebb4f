"""Reads the stream, batch by batch."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from flowtrail_collector.broker_names import rabbitmq_name
from flowtrail_collector.brokers.rabbitmq.connection import said_by
from flowtrail_collector.brokers.rabbitmq.deliveries import Deliveries, text_of
from flowtrail_collector.brokers.rabbitmq.frames import Delivered
from flowtrail_collector.brokers.rabbitmq.messages import OFFSET, incoming, mark_of
from flowtrail_collector.brokers.rabbitmq.plain import read_properties
from flowtrail_collector.brokers.rabbitmq.position import StreamPosition
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Batch, Ingest
from flowtrail_collector.settings import RabbitConfig

__all__ = ["PREFETCH", "Start", "StreamReading"]

logger = logging.getLogger("flowtrail_collector")

Start = Literal["earliest", "latest"] | float

PREFETCH = 5_000
"""So many messages are on their way at once."""

# A batch is written when it has so many messages, when so much time has passed, or when nothing more comes.
_BATCH = 5_000
_GROWING_SECONDS = 0.6
_MANY_TOPICS = 1_000


class StreamReading:
    """Reads on from a position.

    Args:
        config: The stream.
        deliveries: On a connection for this alone.
        position: Moved on with every batch.
        ingest: Reads records.
        start: Where to begin if the stream has never been read.
        prefetch: How many messages may be on their way at once.
        time_seconds: Wall clock, seconds since the epoch.

    Raises:
        ServiceUnreachableError: The server refuses; says what to do.
    """

    def __init__(
        self,
        config: RabbitConfig,
        deliveries: Deliveries,
        position: StreamPosition,
        ingest: Ingest,
        *,
        start: Start,
        time_seconds: Callable[[], float],
        prefetch: int = PREFETCH,
    ) -> None:
        self._config = config
        self._deliveries = deliveries
        self._position = position
        self._ingest = ingest
        self._time_seconds = time_seconds
        self._records: list[Incoming] = []
        self._topics: dict[bytes, str] = {}
        self._followed = re.compile(config.exchanges).fullmatch
        self._batch = Batch()
        self._last: int | None = None
        self._watermark_ms = 0
        self._unwritten = self._delivered = 0
        self._ended = False
        with said_by(config):
            self._channel = deliveries.connection.channel()
            self._channel.add_on_cancel_callback(self._on_cancel)
            self._channel.basic_qos(prefetch_count=prefetch)
            deliveries.consume(self._channel, config.queue, {OFFSET: self._begin(start)})

    def read(self, timeout_seconds: float) -> None:
        """Read a batch and write it.

        Args:
            timeout_seconds: So long it waits for messages at most.

        Raises:
            FencedError: Another worker has moved the position.
            StoreError: The store refused.
            UndecodableError: The client can't decode a message: of one on its way at once, that at the position.
            ServiceUnreachableError: The server went away, or the stream did.
        """
        began = time.monotonic()
        with said_by(self._config):
            self._deliveries.connection.process_data_events(
                0 if self._deliveries.waiting else timeout_seconds
            )
            while True:
                self._read_records()
                if self._unwritten >= _BATCH or time.monotonic() - began >= _GROWING_SECONDS:
                    break
                self._deliveries.connection.process_data_events(0)
                if not self._deliveries.waiting:
                    break
        self._write()
        if self._ended:
            raise ServiceUnreachableError(
                f"the stream {self._config.queue} was deleted: it is declared again, and what was published in between"
                " isn't in it"
            )

    def _begin(self, start: Start) -> Any:
        """What the server is asked for: an offset, a moment, or a word."""
        if self._position.next_offset is not None:
            return self._position.next_offset
        if isinstance(start, str):
            return "first" if start == "earliest" else "next"
        return datetime.fromtimestamp(self._time_seconds() - start, UTC)

    def _take_in(self, delivered: Delivered) -> None:
        """Take in one message, as the server sent it."""
        self._delivered, exchange, routing_key, raw, body = delivered
        self._unwritten += 1
        plain = read_properties(routing_key, raw) if exchange else None
        if plain is not None:
            if self._is_next(plain.offset) and (topic := self._topic(exchange)):
                self._add(Incoming(topic, 0, *plain, value=lambda: body))
            return
        properties = self._deliveries.decoded(raw)
        offset = properties.headers.pop(OFFSET, None)
        if not isinstance(offset, int):  # it was cut off with what is broken
            offset = self._expected
        if offset is None or not self._is_next(offset):
            return
        named, key = exchange.decode("utf-8", "replace"), text_of(routing_key)
        mark = mark_of(named, properties.headers)
        if mark is not None:
            self._watermark_ms = max(self._watermark_ms, mark)
        elif named and self._topic(exchange):
            record = incoming(named, key, offset, properties, body)
            self._add(
                record if record.timestamp_ms is not None else record._replace(timestamp_ms=self._about_ms())
            )

    def _about_ms(self) -> int:
        """When a message was sent that doesn't say it: after what was read before; to a second while marks are set."""
        now_ms = int(self._time_seconds() * 1000)
        known_ms = max(self._watermark_ms, self._position.watermark_ms)
        return min(known_ms, now_ms) if known_ms else now_ms

    @property
    def _expected(self) -> int | None:
        """Where the next message should stand; None if nothing was ever read."""
        return self._position.next_offset if self._last is None else self._last + 1

    def _is_next(self, offset: int) -> bool:
        """Whether we read on with a message that stands here: a stream is handed out in chunks."""
        expected = self._expected
        if expected is not None and offset != expected:
            if offset < expected:
                return False
            logger.warning("%s: offset %d is gone, continuing at %d", self._config.queue, expected, offset)
        self._last = offset
        return True

    def _topic(self, exchange: bytes) -> str:
        """What an exchange is called among topics; empty if it isn't followed: others may lead to the same queues."""
        topic = self._topics.get(exchange)
        if topic is None:
            if len(self._topics) > _MANY_TOPICS:  # exchanges made of ids, by mistake
                self._topics.clear()
            name = exchange.decode("utf-8", "replace")
            topic = self._topics[exchange] = rabbitmq_name(name) if self._followed(name) else ""
        return topic

    def _add(self, record: Incoming) -> None:
        if record.timestamp_ms is not None and record.timestamp_ms > self._watermark_ms:
            self._watermark_ms = record.timestamp_ms
        self._records.append(record)

    def _on_cancel(self, frame: object) -> None:
        self._ended = True

    def _read_records(self) -> None:
        """Take from the messages what they say; nothing else of them is held."""
        for delivered in self._deliveries.take():
            self._take_in(delivered)
        if self._records:
            self._ingest.read(self._records, self._batch)
            self._records = []

    def _write(self) -> None:
        self._unwritten = 0
        last, self._last = self._last, None
        if last is not None:
            batch, self._batch = self._batch, Batch()
            # A timestamp from the future says nothing about how far we have read.
            now_ms = int(self._time_seconds() * 1000)
            self._position.move(last + 1, min(self._watermark_ms, now_ms), batch)
        if self._delivered:
            with said_by(self._config):
                self._channel.basic_ack(self._delivered, multiple=True)
            self._delivered = 0
