"""Conditions awaited within a limit."""

import time
from collections.abc import Callable
from typing import TypeVar

from waiting._slowness import scaled, slowness

_T = TypeVar("_T")
_POLL_SECONDS = 0.02


class Deadline:
    """A limit that starts now.

    Args:
        seconds: how long things may take on a quiet machine.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
        self._limit = scaled(seconds)

    @property
    def passed(self) -> bool:
        """Whether it is over; a machine that has become slower since gets the time it needs."""
        elapsed = time.monotonic() - self._began
        if elapsed <= self._limit:
            return False
        self._limit = self._seconds * slowness(anew=True)
        return elapsed > self._limit

    @property
    def left_seconds(self) -> float:
        """What is left of it, never below 0."""
        return max(0.0, self._began + self._limit - time.monotonic())


def wait_for(condition: Callable[[], object], timeout_seconds: float) -> bool:
    """Poll until the condition holds; False when the (scaled) time is over first."""
    deadline = Deadline(timeout_seconds)
    while not condition():
        if deadline.passed:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def until(condition: Callable[[], _T], what: object = "it", timeout_seconds: float = 40) -> _T:
    """Poll until the condition holds, and hand back what it returned.

    Args:
        condition: asked until what it returns is true.
        what: named in the failure; a function is called for it then.
        timeout_seconds: scaled by the machine's slowness.

    Raises:
        AssertionError: the time is over first.
    """
    deadline = Deadline(timeout_seconds)
    while not (value := condition()):
        if deadline.passed:
            told = what() if callable(what) else what
            raise AssertionError(f"waited {timeout_seconds:g} s (x {slowness():.1f}) in vain for {told}")
        time.sleep(_POLL_SECONDS)
    return value
