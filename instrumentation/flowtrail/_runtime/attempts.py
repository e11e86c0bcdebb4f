"""One attempt at handling one record, and what follows from its end."""

from __future__ import annotations

from typing import Any

from flowtrail._event import Event
from flowtrail._runtime.aftermath import Aftermath
from flowtrail._runtime.batches import Batches
from flowtrail._runtime.handlers import Handler, Plan, identity
from flowtrail._runtime.partition import Entry, PartitionWork
from flowtrail._runtime.payloads import decoder
from flowtrail._runtime.scope import Scope, enter_scope
from flowtrail._runtime.services import Services
from flowtrail._runtime.watch import Watch
from flowtrail._telemetry import Decode, Processing
from flowtrail.contracts import RegistryUnavailableError
from flowtrail.wire import Envelope
from flowtrail.wire.dead_letters import text_of
from flowtrail.wire.retry_topics import returned


class Attempts:
    """Handles records of one group.

    Args:
        plan: The group's handlers.
        services: What is shared.
        watch: Keeps the member in its group while the application's code runs.
    """

    def __init__(self, plan: Plan, services: Services, watch: Watch) -> None:
        self._plan = plan
        self._group = plan.group
        self._services = services
        self._telemetry = services.telemetry
        self._clock = services.telemetry.clock
        self._watch = watch
        self.after = Aftermath(plan.group, services)
        self._batches = Batches(plan.group, services, self.after, watch)

    def take(self, work: PartitionWork) -> bool:
        """Handle the next record of a partition, or the next batch; False if it has to wait."""
        record = work.queue[0]
        failures = work.failures.get(record.offset)
        if failures is not None and failures.done is not None:
            work.queue.popleft()
            work.finish(failures.done)
            return True
        entry = Entry(record, attempt=failures.attempts + 1 if failures is not None else 1)
        origin = self._plan.origin_of(record.topic)
        if origin is not None:
            back = returned(record, origin)
            wait_ns = back.due_ms * 1_000_000 - self._clock.time_ns()
            if wait_ns > 0:
                work.due_ns = self._clock.monotonic_ns() + wait_ns
                return False
            entry.seen = back.record
            entry.attempt += back.attempts
        envelope = self._telemetry.read(entry.seen)
        handler = entry.handler = self._plan.find(record.topic, envelope.type)
        if handler is None:
            work.finish(Entry(work.queue.popleft()))
            return True
        given_up = failures.given_up if failures is not None else None
        if given_up is not None:
            # Its dead letter was not taken by the broker; the handler doesn't run again for that.
            work.queue.popleft()
            self.after.give_up(work, entry, given_up, entry.attempt - 1)
            return True
        if handler.batch is not None:
            decode = self._decoder(handler, entry.seen.topic)
            returning = entry if origin is not None else None
            return self._batches.take(work, handler, self._plan, decode, returning)
        return self._take_one(work, entry, handler, envelope)

    def _take_one(self, work: PartitionWork, entry: Entry, handler: Handler, envelope: Envelope) -> bool:
        processing = self._telemetry.processing(
            entry.seen,
            group=self._group,
            envelope=envelope,
            attempt=entry.attempt,
            decode=self._decoder(handler, entry.seen.topic),
        )
        if handler.dedupe is not None:
            entry.dedupe_key = handler.dedupe.key(identity(entry.seen, envelope))
            if entry.dedupe_key in self.after.keys_in_flight:
                return False
        work.queue.popleft()
        with processing:
            self._handle(work, entry, handler, processing)
        return True

    def _decoder(self, handler: Handler, topic: str) -> Decode:
        publisher = self._services.publisher
        return decoder(publisher.codecs.of(topic), publisher.guard, topic, handler.model)

    def _handle(self, work: PartitionWork, entry: Entry, handler: Handler, processing: Processing) -> None:
        """Run the handler within its span, and decide what its end means."""
        scope = entry.scope = Scope()
        try:
            with self._watch:
                if self.after.is_duplicate(entry, handler):
                    processing.outcome = "duplicate"
                else:
                    event = self._event(processing)
                    enter_scope(scope)
                    self._services.invoker.call(handler, event)
        except _Undecodable as failure:
            processing.fail(failure.error)
            processing.outcome = "dead_letter" if handler.dead_letter else "error"
            self.after.give_up(work, entry, failure.error, attempts=0)
        except Exception as error:  # noqa: BLE001 - the retry policy decides
            processing.fail(error)
            self.after.timed_out(work, entry, error)
            processing.outcome = self.after.failed(work, entry, handler, error)
        else:
            self.after.succeeded(work, entry)
        finally:
            scope.close()

    def _event(self, processing: Processing) -> Event[Any]:
        try:
            return processing.event
        except RegistryUnavailableError:
            # Nothing is wrong with the record: the retry policy decides.
            raise
        except Exception as error:
            raise _Undecodable(error) from error


class _Undecodable(Exception):
    """Carries what decoding raised past the handler's own errors."""

    def __init__(self, error: Exception) -> None:
        super().__init__(text_of(error))
        self.error = error
