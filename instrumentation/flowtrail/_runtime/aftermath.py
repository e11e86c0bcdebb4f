"""What follows from the end of an attempt: commit, retry here or through a topic, or a dead letter."""

from __future__ import annotations

import logging

from flowtrail._retry import BACKOFF
from flowtrail._runtime.handlers import Handler
from flowtrail._runtime.partition import Entry, PartitionWork
from flowtrail._runtime.scope import Scope
from flowtrail._runtime.services import Services
from flowtrail.wire import Header
from flowtrail.wire.dead_letters import dead_letter_headers, dead_letter_topic
from flowtrail.wire.retry_topics import retry_headers, retry_topic

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
        self._publisher = services.publisher
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
            self._through_topic(work, entry, handler)
            return "retry"
        work.failures_of(entry.record.offset).attempts += 1
        work.queue.appendleft(entry.record)
        self._wait(work, handler.retry.wait_seconds(entry.attempt))
        self._telemetry.count_retry(entry.seen.topic, self._group)
        return "retry"

    def _through_topic(self, work: PartitionWork, entry: Entry, handler: Handler) -> None:
        seen, attempt = entry.seen, entry.attempt
        due_ms = self._clock.time_ns() // 1_000_000 + int(handler.retry.wait_seconds(attempt) * 1000)
        self._telemetry.count_retry(seen.topic, self._group, "topic")
        topic = retry_topic(seen.topic, self._group, attempt)
        self._pass_on(work, entry, topic, retry_headers(seen, attempt, due_ms))

    def publication_failed(self, work: PartitionWork, entry: Entry) -> None:
        """A publication of the oldest record in flight failed: it and those after it are handled again."""
        scope, handler, record = entry.scope, entry.handler, entry.record
        assert scope is not None
        assert scope.error is not None
        assert handler is not None
        self.forget(work)
        work.rewind()
        failures = work.failures_of(record.offset)
        _log.warning(
            "group %s: %s; the record %s/%d/%d is not committed and handled again",
            self._group, scope.error, record.topic, record.partition, record.offset,
        )  # fmt: skip
        if not scope.retriable and failures.given_up is None:
            failures.attempts += 1
            if not handler.retry.retries(scope.error, entry.attempt):
                failures.given_up = scope.error
                return
        failures.resends += 1
        self._wait(work, BACKOFF.wait_seconds(failures.resends))

    def give_up(self, work: PartitionWork, entry: Entry, error: BaseException, attempts: int) -> None:
        """Send the record to the dead letters, or drop it with a line in the log."""
        if work.gone:
            return
        seen, handler = entry.seen, entry.handler
        assert handler is not None
        entry.dedupe_key = None
        failures = work.failures_of(entry.record.offset)
        if failures.given_up is None:
            self._telemetry.count_dead_letter(seen.topic, self._group, error)
        if handler.dead_letter is False:
            _log.error(
                "group %s: gave up on %s/%d/%d after %d attempts, and dead letters are off: %s: %s",
                self._group, seen.topic, seen.partition, seen.offset, attempts, type(error).__name__, error,
            )  # fmt: skip
            entry.scope = None
            work.finish(entry)
            return
        failures.given_up = error
        headers = dead_letter_headers(
            seen,
            group=self._group,
            attempts=attempts,
            error=error,
            failed_at_ns=self._clock.time_ns(),
            stacktrace=failures.resends == 0,
        )
        self._pass_on(work, entry, dead_letter_topic(seen.topic, self._group, handler.dead_letter), headers)

    def _pass_on(self, work: PartitionWork, entry: Entry, topic: str, headers: list[Header]) -> None:
        """The record is finished once it stands in another topic."""
        entry.dedupe_key = None
        scope = entry.scope = Scope()
        self._publisher.forward(topic, entry.seen.key, entry.seen.value, headers, scope)
        scope.close()
        work.finish(entry)

    def _wait(self, work: PartitionWork, seconds: float) -> None:
        work.due_ns = self._clock.monotonic_ns() + round(seconds * 1e9)
