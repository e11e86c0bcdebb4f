"""Several events at once, as a batch handler sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Generic, TypeVar

from flowtrail._event import Event
from flowtrail._telemetry import Processing

D = TypeVar("D")


class BatchMember(Generic[D]):
    """One event of a batch; a block in which it is the current event: `with member as event: ...`.

    Attributes:
        error: Why it failed; None if it didn't.
        entered: Whether its block was entered.
        is_open: Whether its block was entered, and has not come to its own end since: it runs still, or was
            left by a cancellation.
        touched: Whether its block was entered, or `fail` called.
    """

    __slots__ = ("_processing", "entered", "error", "is_open", "touched")

    def __init__(self, processing: Processing) -> None:
        self._processing = processing
        self.error: Exception | None = None
        self.entered = self.touched = self.is_open = False

    @property
    def event(self) -> Event[D]:
        """The event, decoded on first use.

        Raises:
            DecodeError: The payload isn't what it should be.
        """
        return self._processing.event

    def fail(self, error: Exception) -> None:
        """This event failed: it is retried, or given up, and the others are not."""
        self.touched = True
        self.error = error
        self._processing.fail(error)

    def close(self) -> None:
        """Count and log an event whose block was never entered."""
        with self._processing:
            pass

    def __enter__(self) -> Event[D]:
        """Make its flow current: what is published inside is caused by it.

        Raises:
            DecodeError: The payload isn't what it should be; this member has failed.
        """
        self.entered = self.touched = self.is_open = True
        self._processing.__enter__()
        try:
            return self.event
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """An exception marks the event as failed, and goes on its way."""
        if isinstance(error, Exception):
            self.error = error
        if error is None or self.error is not None:
            self.is_open = False
        self._processing.__exit__(kind, error, trace)


class Batch(Generic[D]):
    """Several events, in order: what a handler declared with `batch=` gets, and `Trail.process_batch`.

    A handler gets events of one partition; those that could not be decoded, and duplicates, are not among
    them. When the handler returns, every event
    counts as handled except those that failed by themselves. When it raises, those whose blocks ended well
    count as handled, the one whose block raised as failed, and those after it are delivered again; if it
    raises outside of any block, all that weren't touched have failed.
    """

    def __init__(self, members: Sequence[BatchMember[D]]) -> None:
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[BatchMember[D]]:
        return iter(self._members)

    @property
    def events(self) -> list[Event[D]]:
        """All events, for handlers that treat them as one."""
        return [member.event for member in self._members]
