"""What follows from the end of an attempt: commit, retry here or through a topic, or a dead letter."""

from __future__ import annotations

import logging
import time

from flowtrail._retry import BACKOFF
from flowtrail._runtime.handlers import Handler
from flowtrail._runtime.partition import Entry, PartitionWork
from flowtrail._runtime.passing import PassingOn, place
from flowtrail._runtime.services import Services
from flowtrail.errors import HandlerTimeoutError

_log = logging.getLogger("flowtrail")


class Aftermath:
    """Decides for the records of one group.

    Args:
        group: The group.
        services: What is shared.

    Attributes:
        keys_in_flight: Keys of events that are handled, but not yet remembered as such.
    """

    def __init__(self, group: str, services: Services) -> None:
        self._group = group
        self._telemetry = services.telemetry
        self._clock = services.telemetry.clock
        self._passing = PassingOn(group, services)
        self.keys_in_flight: set[str] = set()

    def is_duplicate(self, entry: Entry, handler: Handler) -> bool:
        """Whether the event was handled before; then it is counted, and not to be remembered again."""
        if handler.dedupe is None or entry.dedupe_key is None:
            return False
        if not handler.dedupe.is_handled(self._group, entry.dedupe_key):
            return False
        self._telemetry.count_duplicate(entry.seen.topic, self._group)
        entry.dedupe_key = None
        return True

    def succeeded(self, work: PartitionWork, entry: Entry) -> None:
        """The handler returned; its publications may still be under way."""
        if work.gone:
            return
        if entry.dedupe_key is not None:
            self.keys_in_flight.add(entry.dedupe_key)
        work.finish(entry)

    def through(self, entry: Entry) -> None:
        """A record and its publications are through."""
        if entry.dedupe_key is None or entry.handler is None or entry.handler.dedupe is None:
            return
        self.keys_in_flight.discard(entry.dedupe_key)
        try:
            entry.handler.dedupe.mark_handled(self._group, entry.dedupe_key)
        except Exception as error:  # noqa: BLE001 - then a redelivery is handled again, as without dedupe
            self._telemetry.internal_error("dedupe", error)

    def forget(self, work: PartitionWork) -> None:
        """A partition's records in flight are no longer."""
        for entry in work.in_flight:
            self.keys_in_flight.discard(entry.dedupe_key or "")

    def failed(self, work: PartitionWork, entry: Entry, handler: Handler, error: Exception) -> str:
        """The handler raised: another attempt, or none. Returns the outcome."""
        if work.gone:
            return "error"
        if not handler.retry.retries(error, entry.attempt):
            self.give_up(work, entry, error, entry.attempt)
            return "dead_letter" if handler.dead_letter else "error"
        if handler.retry.topics is not None:
            self._telemetry.count_retry(entry.seen.topic, self._group, "topic")
            self._passing.to_retry(work, entry, handler.retry.wait_seconds(entry.attempt), error)
            return "retry"
        work.failures_of(entry.record.offset).attempts += 1
        work.queue.appendleft(entry.record)
        self._wait(work, handler.retry.wait_seconds(entry.attempt))
        self._telemetry.count_retry(entry.seen.topic, self._group)
        return "retry"

    def timed_out(self, work: PartitionWork, entry: Entry, error: Exception) -> None:
        """If the handler took too long and goes on, its partition waits, or it would run twice at once."""
        if not isinstance(error, HandlerTimeoutError):
            return
        left = error.left_behind
        self._telemetry.count_timeout(
            entry.seen.topic, self._group, "cancelled" if left is None else "left_behind"
        )
        _log.warning("group %s: %s/%d/%d: %s", self._group, *place(entry), error)
        if left is not None:
            work.memory.left_behind = left
            began = time.monotonic()
            left.add_done_callback(
                lambda _: _log.info(
                    "group %s: %s/%d/%d: the abandoned handler finished %.1f s later",
                    self._group, *place(entry), time.monotonic() - began,
                )
            )  # fmt: skip

    def publication_failed(self, work: PartitionWork, entry: Entry) -> bool:
        """A publication of the oldest record in flight failed: it and those after it are handled again.

        Passing it on is tried again by itself: nothing is wrong with the handling of any of them.

        Returns:
            Whether something was tried again at once.
        """
        if entry.passing is not None:
            return self._passing.failed(work, entry, entry.passing)
        scope, handler, record = entry.scope, entry.handler, entry.record
        assert scope is not None
        assert scope.error is not None
        assert handler is not None
        self.forget(work)
        work.rewind()
        failures = work.failures_of(record.offset)
        _log.warning(
            "group %s: %s; the record %s/%d/%d is not committed and will be handled again",
            self._group, scope.error, record.topic, record.partition, record.offset,
        )  # fmt: skip
        if not scope.retriable:
            failures.attempts += 1
            if not handler.retry.retries(scope.error, entry.attempt):
                failures.given_up = scope.error
                return False
        failures.resends += 1
        self._wait(work, BACKOFF.wait_seconds(failures.resends))
        return False

    def give_up(self, work: PartitionWork, entry: Entry, error: BaseException, attempts: int) -> None:
        """Send the record to the dead letters, or drop it with a line in the log."""
        if work.gone:
            return
        entry.dedupe_key = None
        if work.failures_of(entry.record.offset).given_up is None:
            self._telemetry.count_dead_letter(entry.seen.topic, self._group, error)
        self._passing.to_dead_letters(work, entry, error, attempts)

    def _wait(self, work: PartitionWork, seconds: float) -> None:
        work.due_ns = self._clock.monotonic_ns() + round(seconds * 1e9)
