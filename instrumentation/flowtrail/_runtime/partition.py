"""One partition's records on their way from fetched to committed; no I/O."""

from __future__ import annotations

from asyncio import CancelledError
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from flowtrail._runtime.handlers import Handler
from flowtrail._runtime.letters import Passing
from flowtrail._runtime.scope import Scope
from flowtrail.clients import Partition
from flowtrail.wire import Record


@dataclass(slots=True)
class Failures:
    """What happened to a record before.

    Attributes:
        attempts: How often the handler has failed.
        given_up: The error for which it goes to the dead letters, None while there is another attempt.
        resends: How often publishing failed for reasons that are not the record's.
        done: The record was handled in a batch in which one before it has to be tried again.
    """

    attempts: int = 0
    given_up: BaseException | None = None
    resends: int = 0
    done: Entry | None = None


@dataclass(slots=True)
class Entry:
    """A record that was handled, and whose publications may still be under way.

    Attributes:
        record: The record, as it was consumed.
        scope: Its publications; None if there was nothing to do.
        handler: Who handled it; None if nobody took it.
        attempt: Which attempt it was.
        dedupe_key: To be remembered once it is through, None if it isn't.
        passing: What of it goes to a retry or dead letter topic; None if nothing does.
        seen: The record as the handler sees it: one from a retry topic as it was first consumed.
    """

    record: Record
    scope: Scope | None = None
    handler: Handler | None = None
    attempt: int = 1
    dedupe_key: str | None = None
    passing: Passing | None = None
    seen: Record = field(init=False)

    def __post_init__(self) -> None:
        """By default the record is seen as it is."""
        self.seen = self.record

    @property
    def settled(self) -> bool:
        """Whether every publication has ended, well or not."""
        return self.scope is None or self.scope.settled


@dataclass(slots=True)
class Memory:
    """What outlives the loss of a partition, should it come back to the same member.

    Attributes:
        failures: By offset, for records that failed before.
        left_behind: Ends when a handler does that took too long and goes on; None if there is none.
    """

    failures: dict[int, Failures] = field(default_factory=dict)
    left_behind: Future[Any] | None = None


class PartitionWork:
    """Records of one partition between fetch and commit.

    Attributes:
        partition: Which one.
        queue: Fetched, not handled yet.
        in_flight: Handled, publications under way; in offset order.
        due_ns: Nothing is handled before this moment of the monotonic clock (a retry waits).
        next_offset: What can be committed, None if that is already done.
        memory: What is to be known when it comes back.
        failures: By offset, for records that failed before.
        held: The oldest in flight couldn't be passed on; nothing is handled until it is.
        gone: The partition was taken away; whatever still runs for it must not be committed.
    """

    def __init__(self, partition: Partition, memory: Memory | None = None) -> None:
        self.partition = partition
        self.queue: deque[Record] = deque()
        self.in_flight: deque[Entry] = deque()
        self.due_ns = 0
        self.next_offset: int | None = None
        self.memory = memory if memory is not None else Memory()
        self.failures = self.memory.failures
        self.held = False
        self.gone = False

    @property
    def waits(self) -> bool:
        """Whether something else has to end before the next record is handled.

        Raises:
            BaseException: A handler that was left behind wants the program to end.
        """
        left = self.memory.left_behind
        if left is not None and left.done():
            self.memory.left_behind = None
            error = left.exception()
            if error is not None and not isinstance(error, Exception | CancelledError):
                raise error
        return self.held or self.memory.left_behind is not None

    @property
    def next_due_ns(self) -> int:
        """When something that waits for its time is due, on the monotonic clock; 0 if nothing does."""
        passing = self.in_flight[0].passing if self.held else None
        if passing is not None:
            return passing.due_ns
        return self.due_ns if self.queue else 0

    def finish(self, entry: Entry) -> None:
        """A record was handled."""
        if not self.in_flight and entry.scope is None:
            self.next_offset = entry.record.offset + 1
        else:
            self.in_flight.append(entry)

    def pop_through(self) -> Entry | None:
        """The oldest entry if it is through, with all its publications acknowledged."""
        if not self.in_flight:
            return None
        entry = self.in_flight[0]
        if not entry.settled or (entry.scope is not None and entry.scope.error is not None):
            return None
        self.in_flight.popleft()
        self.held = False
        self.next_offset = entry.record.offset + 1
        self.failures.pop(entry.record.offset, None)
        return entry

    def failed(self) -> Entry | None:
        """The oldest entry if one of its publications failed."""
        if self.in_flight:
            entry = self.in_flight[0]
            if entry.settled and entry.scope is not None and entry.scope.error is not None:
                return entry
        return None

    def rewind(self) -> None:
        """Put everything in flight back into the queue: the records are handled again, in order."""
        while self.in_flight:
            self.queue.appendleft(self.in_flight.pop().record)
        self.held = False

    def failures_of(self, offset: int) -> Failures:
        """The failures of a record, to be changed."""
        return self.failures.setdefault(offset, Failures())
