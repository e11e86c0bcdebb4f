"""Records that go to a retry or dead letter topic, until they stand there."""

from __future__ import annotations

import logging

from flowtrail._retry import BACKOFF
from flowtrail._runtime.letters import DeadLetter, Passing, RetryLater
from flowtrail._runtime.partition import Entry, PartitionWork
from flowtrail._runtime.scope import Scope
from flowtrail._runtime.services import Services
from flowtrail.clients import has_too_large_headers, is_too_large
from flowtrail.wire.dead_letters import dead_letter_headers, dead_letter_topic
from flowtrail.wire.retry_topics import retry_headers, retry_topic

_log = logging.getLogger("flowtrail")


class PassingOn:
    """Passes on records of one group.

    What can't be written holds up its own partition: it is tried again by itself, and neither its handler nor
    those of the records behind it run again for that.

    Args:
        group: The group.
        services: What is shared.
    """

    def __init__(self, group: str, services: Services) -> None:
        self._group = group
        self._clock = services.telemetry.clock
        self._forwarder = services.forwarder

    def to_retry(self, work: PartitionWork, entry: Entry, wait_seconds: float, error: Exception) -> None:
        """Let a record wait in a retry topic."""
        seen, attempt = entry.seen, entry.attempt
        due_ms = self._clock.time_ns() // 1_000_000 + int(wait_seconds * 1000)
        headers = retry_headers(seen, attempt, due_ms)
        self._send(entry, RetryLater(retry_topic(seen.topic, self._group, attempt), seen, headers, error))
        work.finish(entry)

    def to_dead_letters(self, work: PartitionWork, entry: Entry, error: BaseException, attempts: int) -> None:
        """Give a record up; with dead letters off that is a line in the log."""
        self._send_letter(work, entry, error, attempts)
        work.finish(entry)

    def failed(self, work: PartitionWork, entry: Entry, passing: Passing) -> bool:
        """The oldest record in flight couldn't be passed on: again, now or later, smaller if it has to be.

        Returns:
            Whether it was tried again.
        """
        scope, now = entry.scope, self._clock.monotonic_ns()
        assert scope is not None
        if passing.due_ns:
            if passing.due_ns > now:
                return False
            passing.due_ns = 0
            self._send(entry, passing)
            return True
        work.held = True
        if is_too_large(scope.error) and self._made_smaller(work, entry, passing):
            return True
        passing.resends += 1
        wait = BACKOFF.wait_seconds(passing.resends)
        passing.due_ns = now + round(wait * 1e9)
        self._forwarder.doubt(passing.topic)
        _log.warning(
            "group %s: the record %s/%d/%d can't go to %s (%s): its partition waits, trying again in %.1f s",
            self._group, *place(entry), passing.topic, scope.error, wait,
        )  # fmt: skip
        return False

    def _made_smaller(self, work: PartitionWork, entry: Entry, passing: Passing) -> bool:
        """Send less of it; False if there is nothing left to leave out."""
        if isinstance(passing, RetryLater):
            _log.warning(
                "group %s: the record %s/%d/%d is too large for %s and is not retried",
                self._group, *place(entry), passing.topic,
            )  # fmt: skip
            self._send_letter(work, entry, passing.error, entry.attempt)
            return True
        left_out = None
        if isinstance(passing, DeadLetter):
            assert entry.scope is not None
            left_out = passing.shrink(in_headers=has_too_large_headers(entry.scope.error))
        if left_out is None:
            return False
        _log.warning(
            "group %s: the dead letter of %s/%d/%d is too large for %s and goes there without %s",
            self._group, *place(entry), passing.topic, left_out,
        )  # fmt: skip
        self._send(entry, passing)
        return True

    def _send_letter(self, work: PartitionWork, entry: Entry, error: BaseException, attempts: int) -> None:
        handler = entry.handler
        assert handler is not None
        if handler.dead_letter is False:
            _log.error(
                "group %s: gave up on %s/%d/%d after %d attempts, and dead letters are off: %s: %s",
                self._group, *place(entry), attempts, type(error).__name__, error,
            )  # fmt: skip
            entry.scope = entry.passing = None
            return
        work.failures_of(entry.record.offset).given_up = error
        headers = dead_letter_headers(
            entry.seen,
            group=self._group,
            attempts=attempts,
            error=error,
            failed_at_ns=self._clock.time_ns(),
        )
        topic = dead_letter_topic(entry.seen.topic, self._group, handler.dead_letter)
        self._send(entry, DeadLetter(topic, entry.seen, headers, handler.oversize))

    def _send(self, entry: Entry, passing: Passing) -> None:
        """The record is through once it stands in the other topic."""
        entry.dedupe_key = None
        entry.passing = passing
        entry.scope = Scope()
        self._forwarder.forward(passing, entry.scope)


def place(entry: Entry) -> tuple[str, int, int]:
    """Topic, partition and offset, for messages."""
    return entry.seen.topic, entry.seen.partition, entry.seen.offset
