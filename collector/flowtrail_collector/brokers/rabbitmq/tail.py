"""Follows the stream and hands what it reads to the ingest, offset by offset.

The store, not RabbitMQ, knows how far it was read: the tail begins where the store says. A stream has one order, so it
says itself how far it has been read: every second the collector puts a mark into it, and once that comes back,
everything that was routed before it has been read.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flowtrail_collector.broker_names import rabbitmq_name
from flowtrail_collector.brokers.rabbitmq.bindings import Bindings
from flowtrail_collector.brokers.rabbitmq.connection import UndecodableError, disconnect
from flowtrail_collector.brokers.rabbitmq.deliveries import Deliveries
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.brokers.rabbitmq.marks import Marks
from flowtrail_collector.brokers.rabbitmq.position import StreamPosition
from flowtrail_collector.brokers.rabbitmq.reading import PREFETCH, Start, StreamReading
from flowtrail_collector.brokers.rabbitmq.starts import ServerStarts
from flowtrail_collector.brokers.rabbitmq.stream import declare_stream
from flowtrail_collector.brokers.trouble import Trouble
from flowtrail_collector.conditions import Remark, Starting
from flowtrail_collector.errors import FencedError, ServiceUnreachableError, StoreError
from flowtrail_collector.ingest.ports import Store
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.settings import RabbitConfig
from flowtrail_collector.wording import counted

if TYPE_CHECKING:
    from pika import BlockingConnection

__all__ = ["RabbitTail"]

logger = logging.getLogger("flowtrail_collector")

_POLL_SECONDS = 0.2
# What is published with a key that nobody was bound with before isn't seen until this is asked again; so it is asked as
# often as takes a twentieth of the time.
_DISCOVERY_SECONDS = (1.0, 5.0)
_DISCOVERY_SHARE = 0.05
_PAUSE_SECONDS = 1.0


class RabbitTail:
    """A `Part` that reads events.

    Args:
        config: Which server, and what is followed.
        ingest: Where records go.
        store: Where the position is.
        start: Where to begin in a stream that was there before this store.
        time_seconds: Wall clock, seconds since the epoch.
    """

    name = "rabbitmq"
    is_shared = False

    def __init__(
        self,
        config: RabbitConfig,
        ingest: Ingest,
        store: Store,
        *,
        start: Start = "earliest",
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._ingest = ingest
        self._position = StreamPosition(rabbitmq_name(config.queue), ingest, store)
        self._start: Start = start
        self._time_seconds = time_seconds
        self._trouble = Trouble(
            Starting("hasn't reached RabbitMQ yet"),
            lambda: f"following {counted(self._exchanges, 'exchange')} of RabbitMQ",
        )
        self._reading = False
        self._exchanges = 0
        self._starts = ServerStarts(config, time_seconds)
        # One by one, it is known which message the client can't decode.
        self._prefetch = PREFETCH

    @property
    def partitions(self) -> int:
        """How many partitions are being read: a stream is one."""
        return int(self._reading)

    @property
    def problem(self) -> str | None:
        """Why nothing is read at present, None when it is."""
        return self._trouble.problem

    def dead_letter_depths(self) -> Mapping[str, int]:
        """See `Tail.dead_letter_depths`: a stream holds none."""
        return {}

    def run(self, stop: threading.Event) -> None:
        """Read until told to stop."""
        while not stop.is_set():
            try:
                self._follow(stop)
            except FencedError as error:
                logger.info("another worker has moved the position, continuing from the store: %s", error)
            except UndecodableError as error:
                self._step_over(error)
            except (StoreError, ServiceUnreachableError) as error:
                self._trouble.note(str(error))
            finally:
                self._reading = False
            stop.wait(_PAUSE_SECONDS)

    def _follow(self, stop: threading.Event) -> None:
        """Read until told to stop, or until something goes wrong."""
        with contextlib.ExitStack() as closing:
            management = Management(self._config)
            closing.callback(management.close)
            deliveries = Deliveries(self._config, "tail")
            connection = deliveries.connection
            closing.callback(disconnect, self._config, connection)
            self._position.load(declare_stream(connection, self._config, management))
            self._starts.began(self._position.watermark_ms)
            bindings = Bindings(self._config, management)
            reading = StreamReading(
                self._config,
                deliveries,
                self._position,
                self._ingest,
                start=self._start,
                time_seconds=self._time_seconds,
                prefetch=self._prefetch,
            )
            self._reading = True
            marks = Marks(self._config, self._time_seconds)
            closing.callback(marks.close)
            next_discovery = 0.0
            while not stop.is_set():
                if (began := time.monotonic()) >= next_discovery:
                    self._discover(bindings, connection, marks)
                    self._starts.look(management)
                    pause = _pause(time.monotonic() - began) if bindings.is_done else 0.0
                    next_discovery = time.monotonic() + pause
                marks.set()
                reading.read(_POLL_SECONDS)

    def _step_over(self, error: UndecodableError) -> None:
        """Leave out the message at which the client drops every connection; first find out which one that is."""
        if self._prefetch > 1:
            self._prefetch = 1
            return
        self._prefetch = PREFETCH
        try:
            offset = self._position.step_over()
        except (StoreError, FencedError) as refused:
            self._trouble.note(str(refused))
            return
        if offset is None:
            self._trouble.note(
                f"{error}: the first message of {self._config.queue} can't be read: update pika"
            )
        else:
            logger.warning(
                "%s: the message at offset %d is left out: %s; update pika, or set that header otherwise",
                self._config.queue,
                offset,
                error,
            )

    def _discover(self, bindings: Bindings, connection: BlockingConnection, marks: Marks) -> None:
        try:
            self._exchanges = bindings.update(connection)
        except ServiceUnreachableError as error:  # what is bound is read on
            self._trouble.note(str(error))
        else:
            self._trouble.note(marks.problem or (self._remark() if bindings.is_idle else None))

    def _remark(self) -> Remark:
        return Remark(
            f"follows no exchange: none fits --rabbitmq-exchanges {self._config.exchanges}: correct it, or declare one"
        )


def _pause(took: float) -> float:
    """How long to wait, in seconds, before what there is to follow is asked again."""
    shortest, longest = _DISCOVERY_SECONDS
    return min(max(took / _DISCOVERY_SHARE, shortest), longest)
