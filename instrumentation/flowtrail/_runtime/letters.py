"""Records on their way to another topic, and what is left out of them when they are too large for it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple

from flowtrail._runtime.registering import HEADERS_ONLY, Oversize
from flowtrail.wire import Header, Record
from flowtrail.wire.dead_letters import (
    ATTEMPTS,
    ERROR_MESSAGE,
    ERROR_STACKTRACE,
    ERROR_TYPE,
    FAILED_AT,
    MINIMUM,
    OVERSIZE,
    only_minimum,
    smaller,
    without_large,
)


class Contents(NamedTuple):
    """What is published: key, value and headers."""

    key: bytes | None
    value: bytes | None
    headers: list[Header]


class Passing:
    """A record that is passed on.

    Attributes:
        topic: Topic to publish to.
        record: The record, as it was first consumed.
        resends: How often that failed for reasons that may go away.
        due_ns: When it is tried again, on the monotonic clock; 0 while it is under way.
    """

    def __init__(self, topic: str, record: Record, headers: list[Header]) -> None:
        self.topic = topic
        self.record = record
        self._headers = headers
        self.resends = 0
        self.due_ns = 0

    def contents(self) -> Contents:
        """What to publish."""
        return Contents(self.record.key, self.record.value, self._headers)


class RetryLater(Passing):
    """A record that waits in a retry topic.

    Attributes:
        error: What its handler raised.
    """

    def __init__(self, topic: str, record: Record, headers: list[Header], error: Exception) -> None:
        super().__init__(topic, record, headers)
        self.error = error


class _Step(NamedTuple):
    said: str
    left_out: Collection[str] = ()
    has_value: bool = True
    is_reference: bool = False


_REST = frozenset({ATTEMPTS, ERROR_TYPE, ERROR_MESSAGE, ERROR_STACKTRACE, FAILED_AT})

_STEPS = (
    _Step("nothing"),
    _Step("its stack trace", {ERROR_STACKTRACE}),
    _Step("its stack trace and error message", {ERROR_STACKTRACE, ERROR_MESSAGE}),
    _Step("all that says why", _REST),
    _Step("its value", (), has_value=False),
    _Step("its value and all that says why", _REST, has_value=False),
    _Step("everything but where it was", _REST, has_value=False, is_reference=True),
)


class _HeadersStep(NamedTuple):
    said: str
    keep: Callable[[list[Header]], list[Header]]


_LARGE = 1024  # bytes of a header that goes before others do

_HEADERS_STEPS = (
    _HeadersStep("nothing", lambda headers: headers),
    *(_HeadersStep(step.said, partial(smaller, left_out=step.left_out)) for step in _STEPS[1:4]),
    _HeadersStep(f"headers of {_LARGE} bytes and more", partial(without_large, size=_LARGE)),
    _HeadersStep("headers that are no attributes of an event", partial(without_large, size=0)),
    _HeadersStep("headers but those that say where it was", only_minimum),
)


class DeadLetter(Passing):
    """A record that was given up; it gets smaller as long as the broker finds it too large.

    First goes what was added to it, then its value is moved aside; the last resort only says where it was. Where the
    broker finds its headers too large, whatever its value is, headers go and the value stays.

    Args:
        topic: The dead letter topic.
        record: The record, as it was first consumed.
        headers: All headers that it should have.
        oversize: What to carry in place of a value that is too large; see `Trail.consumer`.
    """

    def __init__(self, topic: str, record: Record, headers: list[Header], oversize: Oversize) -> None:
        super().__init__(topic, record, headers)
        self._oversize = oversize
        self._step = self._headers_step = 0
        self._moved: bytes | None = None

    def contents(self) -> Contents:
        """What to publish.

        Raises:
            Exception: The function that moves the value aside failed.
        """
        step, record = _STEPS[self._step], self.record
        headers = smaller(_HEADERS_STEPS[self._headers_step].keep(self._headers), step.left_out)
        if step.is_reference:
            kept = [header for header in headers if header[0] in MINIMUM]
            return Contents(None, b"", [*kept, (OVERSIZE, b"reference")])
        if step.has_value or record.value is None:
            return Contents(record.key, record.value, headers)
        if self._oversize == HEADERS_ONLY:
            # Empty, not null: a null would be a tombstone, and delete what it is sent back for.
            return Contents(record.key, b"", [*headers, (OVERSIZE, HEADERS_ONLY.encode())])
        if self._moved is None:
            self._moved = self._oversize(record)
        return Contents(record.key, self._moved, [*headers, (OVERSIZE, b"moved")])

    def shrink(self, *, in_headers: bool = False) -> str | None:
        """Leave more out; says what is left out now, None if nothing more could be.

        Args:
            in_headers: Its headers are too large by themselves.
        """
        if in_headers and self._headers_step + 1 < len(_HEADERS_STEPS):
            self._headers_step += 1
            return _HEADERS_STEPS[self._headers_step].said
        if self._step + 1 == len(_STEPS):
            return None
        self._step += 1
        return _STEPS[self._step].said
