"""One attempt at handling one record, and what follows from its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from flowtrail._codec import as_model
from flowtrail._dead_letter import dead_letter_headers, dead_letter_topic
from flowtrail._event import Event
from flowtrail._headers import Envelope
from flowtrail._retry import Retry
from flowtrail._runtime.handlers import Handler, Plan
from flowtrail._runtime.partition import Entry, PartitionWork
from flowtrail._runtime.scope import Scope, enter_scope
from flowtrail._runtime.services import Services
from flowtrail._telemetry import Processing

_log = logging.getLogger("flowtrail")

_RESEND = Retry(attempts=2**31, initial_seconds=0.5, max_seconds=30)
"""How long to wait before publishing again what the broker didn't take."""


class _Identity(NamedTuple):
    id: str
    source: str | None
    subject: str | None
    sequence: int | None


class Attempts:
    """Handles records of one group.

    Args:
        plan: The group's handlers.
        services: What is shared.
        keep_alive: Called now and then while a coroutine handler runs.
    """

    def __init__(self, plan: Plan, services: Services, keep_alive: Callable[[], None]) -> None:
        self._plan = plan
        self._group = plan.group
        self._services = services
        self._telemetry = services.telemetry
        self._clock = services.telemetry.clock
        self._keep_alive = keep_alive
        self._keys_in_flight: set[str] = set()

    def take(self, work: PartitionWork) -> bool:
        """Handle the next record of a partition; False if it has to wait for one that is in flight."""
        record = work.queue[0]
        envelope = self._telemetry.read(record)
        handler = self._plan.find(record.topic, envelope.type)
        if handler is None:
            work.finish(Entry(work.queue.popleft()))
            return True
        failures = work.failures.get(record.offset)
        entry = Entry(record, Scope(), handler, failures.attempts + 1 if failures is not None else 1)
        processing = self._telemetry.processing(
            record,
            group=self._group,
            envelope=envelope,
            attempt=entry.attempt,
            decode=self._decoder(handler),
        )
        if handler.dedupe is not None:
            identity = _Identity(processing.event_id, envelope.source, envelope.subject, envelope.sequence)
            entry.dedupe_key = handler.dedupe.key(identity)
            if entry.dedupe_key in self._keys_in_flight:
                return False
        work.queue.popleft()
        if failures is not None and failures.given_up is not None:
            # Its dead letter was not taken by the broker; the handler doesn't run again for that.
            self._give_up(work, entry, failures.given_up, failures.attempts)
            return True
        with processing:
            self._handle(work, entry, handler, processing)
        return True

    def _decoder(self, handler: Handler) -> Callable[[Envelope, Any], Any]:
        codec, model = self._services.codec, handler.model

        def decode(envelope: Envelope, value: Any) -> Any:
            data = codec.decode(value, envelope.content_type)
            return data if model is None else as_model(data, model)

        return decode

    def _handle(self, work: PartitionWork, entry: Entry, handler: Handler, processing: Processing) -> None:
        """Run the handler within its span, and decide what its end means."""
        scope = entry.scope = Scope()
        try:
            if handler.dedupe is not None and handler.dedupe.is_handled(self._group, entry.dedupe_key or ""):
                processing.outcome = "duplicate"
                self._telemetry.count_duplicate(entry.record.topic, self._group)
                entry.dedupe_key = None
            else:
                event = self._event(processing)
                enter_scope(scope)
                self._services.invoker.call(handler, event, self._keep_alive)
        except _Undecodable as failure:
            processing.fail(failure.error)
            processing.outcome = "dead_letter" if handler.dead_letter else "error"
            self._give_up(work, entry, failure.error, attempts=0)
        except Exception as error:  # noqa: BLE001 - the retry policy decides
            processing.fail(error)
            processing.outcome = self._failed(work, entry, handler, error)
        else:
            self._finish(work, entry)
        finally:
            scope.close()

    def _event(self, processing: Processing) -> Event[Any]:
        try:
            return processing.event
        except Exception as error:
            raise _Undecodable(error) from error

    def _finish(self, work: PartitionWork, entry: Entry) -> None:
        if work.gone:
            return
        if entry.dedupe_key is not None:
            self._keys_in_flight.add(entry.dedupe_key)
        work.finish(entry)

    # -- what follows

    def _failed(self, work: PartitionWork, entry: Entry, handler: Handler, error: Exception) -> str:
        """The handler raised: another attempt, or none. Returns the outcome."""
        if work.gone:
            return "error"
        record = entry.record
        failures = work.failures_of(record.offset)
        failures.attempts = entry.attempt
        if handler.retry.retries(error, entry.attempt):
            work.queue.appendleft(record)
            self._wait(work, handler.retry.wait_seconds(entry.attempt))
            self._telemetry.count_retry(record.topic, self._group)
            return "retry"
        self._give_up(work, entry, error, entry.attempt)
        return "dead_letter" if handler.dead_letter else "error"

    def publication_failed(self, work: PartitionWork, entry: Entry) -> None:
        """A publication of the oldest record in flight failed: it and those after it are handled again."""
        scope, handler, record = entry.scope, entry.handler, entry.record
        assert scope is not None
        assert scope.error is not None
        assert handler is not None
        self.forget(work)
        work.rewind()
        failures = work.failures_of(record.offset)
        _log.warning("group %s: %s; the record %s/%d/%d is not committed and handled again",
                     self._group, scope.error, *_coordinates(entry))  # fmt: skip
        if not scope.retriable and failures.given_up is None:
            failures.attempts = entry.attempt
            if not handler.retry.retries(scope.error, entry.attempt):
                failures.given_up = scope.error
                return
        failures.resends += 1
        self._wait(work, _RESEND.wait_seconds(failures.resends))

    def _give_up(self, work: PartitionWork, entry: Entry, error: BaseException, attempts: int) -> None:
        """Send the record to the dead letters, or drop it with a line in the log."""
        record, handler = entry.record, entry.handler
        assert handler is not None
        entry.dedupe_key = None
        self._telemetry.count_dead_letter(record.topic, self._group, error)
        if handler.dead_letter is False:
            _log.error("group %s: gave up on %s/%d/%d after %d attempts, and dead letters are off: %s: %s",
                       self._group, *_coordinates(entry), attempts, type(error).__name__, error)  # fmt: skip
            entry.scope = None
            work.finish(entry)
            return
        failures = work.failures_of(record.offset)
        failures.attempts, failures.given_up = attempts, error
        entry.scope = Scope()
        self._services.publisher.forward(
            dead_letter_topic(record.topic, self._group, handler.dead_letter),
            record.key,
            record.value,
            dead_letter_headers(
                record,
                group=self._group,
                attempts=attempts,
                error=error,
                failed_at_ns=self._clock.time_ns(),
                stacktrace=failures.resends == 0,
            ),
            entry.scope,
        )
        entry.scope.close()
        work.finish(entry)

    def through(self, entry: Entry) -> None:
        """A record and its publications are through."""
        if entry.dedupe_key is None or entry.handler is None or entry.handler.dedupe is None:
            return
        self._keys_in_flight.discard(entry.dedupe_key)
        try:
            entry.handler.dedupe.mark_handled(self._group, entry.dedupe_key)
        except Exception as error:  # noqa: BLE001 - then a redelivery is handled again, as without dedupe
            self._telemetry.internal_error("dedupe", error)

    def forget(self, work: PartitionWork) -> None:
        """A partition's records in flight are no longer."""
        for entry in work.in_flight:
            self._keys_in_flight.discard(entry.dedupe_key or "")

    def _wait(self, work: PartitionWork, seconds: float) -> None:
        work.due_ns = self._clock.monotonic_ns() + round(seconds * 1e9)


class _Undecodable(Exception):
    """Carries what decoding raised past the handler's own errors."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _coordinates(entry: Entry) -> tuple[str, int, int]:
    return entry.record.topic, entry.record.partition, entry.record.offset
