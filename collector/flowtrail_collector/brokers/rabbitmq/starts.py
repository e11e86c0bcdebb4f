"""Whether the server was started since its stream was read last: the stream then has a gap.

Queues get messages as soon as a server that starts takes some, a stream once its writer is elected: on a single node half
a second later, or more. Nothing tells what went past it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig

__all__ = ["ServerStarts"]

logger = logging.getLogger("flowtrail_collector")

_SKEW_MS = 1_000  # the server says how long it has run, not since when


class ServerStarts:
    """Looks for a start of the whole server, and says so once.

    Args:
        config: The stream.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(self, config: RabbitConfig, time_seconds: Callable[[], float]) -> None:
        self._config = config
        self._time_seconds = time_seconds
        self._read_ms = 0
        self._is_known = True

    def began(self, read_ms: int) -> None:
        """A connection was opened.

        Args:
            read_ms: Everything routed until then has been read; 0 if nothing was.
        """
        # A server that has just been started may be lost again before it says how long it has run.
        if self._is_known:
            self._read_ms, self._is_known = read_ms, False

    def look(self, management: Management) -> None:
        """Ask the server how long it has run, until it says it: one that starts doesn't know yet."""
        if self._is_known:
            return
        uptimes: list[int] = []
        with suppress(ServiceUnreachableError):  # asked again
            nodes = [each for each in management.nodes() if each.get("running")]
            uptimes = [each["uptime"] for each in nodes if isinstance(each.get("uptime"), int)]
        if not uptimes:
            return
        self._is_known = True
        # With a node that stayed up, a replica of the stream did.
        started_ms = int(self._time_seconds() * 1000) - max(uptimes)
        if self._read_ms and started_ms > self._read_ms + _SKEW_MS:
            logger.warning(
                "RabbitMQ was started at %s: %s may lack what its queues got in the first seconds after that, before the"
                " server had this stream again",
                datetime.fromtimestamp(started_ms / 1000, UTC).strftime("%H:%M:%S UTC"),
                self._config.queue,
            )
