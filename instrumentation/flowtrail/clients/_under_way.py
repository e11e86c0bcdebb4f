"""How many messages a producer has under way, and whether it takes more."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flowtrail.clients._port import ClientError, Delivered, OnDelivery, report

__all__ = ["CLOSED", "UnderWay"]

CLOSED = "the producer is closed"


class UnderWay:
    """Messages between `send` and the report of what became of them; from any thread."""

    def __init__(self) -> None:
        self._idle = threading.Condition()
        self._count = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether no more are taken."""
        return self._closed

    def begin(self, hand_over: Callable[[], None] | None = None) -> None:
        """One more.

        Args:
            hand_over: Called before anybody can close the producer.

        Raises:
            ClientError: No more are taken.
        """
        with self._idle:
            if self._closed:
                raise ClientError(CLOSED)
            self._count += 1
            if hand_over is not None:
                hand_over()

    def report(self, on_delivery: OnDelivery, delivered: Delivered | None, error: Exception | None) -> None:
        """One less: say what became of it."""
        report(on_delivery, delivered, error)
        with self._idle:
            self._count -= 1
            self._idle.notify_all()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until there are none; whether that took no longer than this."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._count, timeout_seconds)

    def close(self, timeout_seconds: float) -> bool:
        """Take no more, and wait until there are none, no longer than this.

        Returns:
            Whether this was the first call; the others do nothing.
        """
        with self._idle:
            if self._closed:
                return False
            self._closed = True
        self.flush(timeout_seconds)
        return True
