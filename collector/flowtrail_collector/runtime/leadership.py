"""One of several workers looks after what concerns them all: sweeps, topology, retention, their metrics.

Nothing depends on there being one leader at most: what it does is exact even if two do it for a moment. The
lease only keeps the work, and the series in `/metrics`, from being there twice.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from flowtrail_collector.conditions import Starting
from flowtrail_collector.errors import StoreError
from flowtrail_collector.runtime.supervisor import Part

__all__ = ["Leadership", "Lease", "while_leading"]

logger = logging.getLogger("flowtrail_collector")

_LEASE_SECONDS = 10.0
_LOOK_SECONDS = 0.2


class Lease(Protocol):
    """A right that one of several workers has for a while."""

    def hold(self, seconds: float) -> bool:
        """Take the lease, or keep it, for so long from now.

        Returns:
            False if another worker has it.

        Raises:
            StoreError: Nobody can tell.
        """
        ...

    def give_up(self) -> None:
        """Let another worker take it at once.

        Raises:
            StoreError: It ends by itself.
        """
        ...


class Leadership:
    """A `Part` that takes the lease when it is free, and keeps it.

    Args:
        lease: What the workers compete for.
        seconds: For how long it is taken; renewed three times as often.

    Attributes:
        problem: Why it isn't known who leads.
    """

    name = "lease"

    def __init__(self, lease: Lease, *, seconds: float = _LEASE_SECONDS) -> None:
        self._lease = lease
        self._seconds = seconds
        self._until = 0.0
        self.problem: str | None = Starting("hasn't asked for the lease yet")

    def leading(self) -> bool:
        """Whether this worker leads."""
        return time.monotonic() < self._until

    def run(self, stop: threading.Event) -> None:
        """Compete until `stop` is set, then let go."""
        while not stop.is_set():
            self._try()
            stop.wait(self._seconds / 3)
        if self.leading():
            self._until = 0.0
            with contextlib.suppress(StoreError):  # then it expires
                self._lease.give_up()

    def _try(self) -> None:
        led = self.leading()
        asked = time.monotonic()  # the store counts from a later moment
        try:
            if self._lease.hold(self._seconds):
                self._until = asked + self._seconds
            else:
                self._until = 0.0
            self.problem = None
        except StoreError as error:
            self.problem = str(error)
        if self.leading() != led:
            logger.info("this worker %s", "leads" if not led else "no longer leads")


class _WhileLeading(threading.Event):
    """Set when there is nothing more to do: at the end, or while another worker leads."""

    def __init__(self, stop: threading.Event, leading: Callable[[], bool]) -> None:
        super().__init__()
        self._stop = stop
        self._leading = leading

    def is_set(self) -> bool:
        return self._stop.is_set() or not self._leading()

    def wait(self, timeout: float | None = None) -> bool:
        until = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while not self.is_set() and (left := until - time.monotonic()) > 0:
            self._stop.wait(min(left, _LOOK_SECONDS))
        return self.is_set()


class _LeadersPart:
    def __init__(self, part: Part, leading: Callable[[], bool]) -> None:
        self._part = part
        self._leading = leading
        self.name = part.name

    @property
    def problem(self) -> str | None:
        return self._part.problem if self._leading() else None

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if self._leading():
                self._part.run(_WhileLeading(stop, self._leading))
            else:
                stop.wait(_LOOK_SECONDS)


def while_leading(part: Part, leading: Callable[[], bool]) -> Part:
    """A part that works only while this worker leads."""
    return _LeadersPart(part, leading)
