"""Handlers that take several events at once, with an outcome for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowtrail._batch import Batch, BatchMember
from flowtrail._runtime.aftermath import Aftermath
from flowtrail._runtime.handlers import Handler, Plan, identity
from flowtrail._runtime.partition import Entry, PartitionWork
from flowtrail._runtime.scope import Scope, enter_scope
from flowtrail._runtime.services import Services
from flowtrail._runtime.watch import Watch
from flowtrail._telemetry import Processing
from flowtrail.wire import Envelope

Decode = Callable[[Envelope, Any], Any]


class _Slot:
    """A record on its way through a batch."""

    __slots__ = ("entry", "member", "processing", "undecodable")

    def __init__(self, entry: Entry, processing: Processing) -> None:
        self.entry = entry
        self.processing = processing
        self.member: BatchMember[Any] | None = None
        self.undecodable: Exception | None = None


class Batches:
    """Calls batch handlers of one group.

    Args:
        group: The group.
        services: What is shared.
        after: Decides what follows.
        watch: Keeps the member in its group while the application's code runs.
    """

    def __init__(self, group: str, services: Services, after: Aftermath, watch: Watch) -> None:
        self._group = group
        self._services = services
        self._after = after
        self._watch = watch

    def take(
        self,
        work: PartitionWork,
        handler: Handler,
        plan: Plan,
        decode: Decode,
        returning: Entry | None = None,
    ) -> bool:
        """Handle as many of the next records of a partition as go to this handler, up to its batch size.

        Args:
            work: The partition.
            handler: The handler of its next record.
            plan: The group's handlers.
            decode: Makes the events' data.
            returning: The next record, if it comes from a retry topic: it is handled alone.

        Returns:
            False if the first of them has to wait for one that is in flight.
        """
        if returning is not None:
            work.queue.popleft()
        entries = [returning] if returning is not None else self._gather(work, handler, plan)
        if not entries:
            return False
        traced = self._services.telemetry.processing_batch(
            [entry.seen for entry in entries],
            group=self._group,
            decode=decode,
            attempts=[entry.attempt for entry in entries],
        )
        with traced:
            slots = [_Slot(*pair) for pair in zip(entries, traced, strict=True)]
            self._run(work, handler, slots)
        return True

    def _gather(self, work: PartitionWork, handler: Handler, plan: Plan) -> list[Entry]:
        entries: list[Entry] = []
        keys: set[str] = set()
        assert handler.batch is not None
        while work.queue and len(entries) < handler.batch:
            record = work.queue[0]
            failures = work.failures.get(record.offset)
            if failures is not None and (failures.done is not None or failures.given_up is not None):
                break
            envelope = self._services.telemetry.read(record)
            if plan.find(record.topic, envelope.type) is not handler:
                break
            entry = Entry(record, handler=handler, attempt=failures.attempts + 1 if failures else 1)
            if handler.dedupe is not None:
                entry.dedupe_key = handler.dedupe.key(identity(record, envelope))
                if entry.dedupe_key in keys or entry.dedupe_key in self._after.keys_in_flight:
                    break
                keys.add(entry.dedupe_key)
            entries.append(entry)
            work.queue.popleft()
        return entries

    def _run(self, work: PartitionWork, handler: Handler, slots: list[_Slot]) -> None:
        with self._watch:
            for slot in slots:
                self._prepare(slot, handler)
        members = [slot.member for slot in slots if slot.member is not None]
        scope = Scope()
        enter_scope(scope)
        failure: Exception | None = None
        try:
            if members:
                with self._watch:
                    self._services.invoker.call(handler, Batch(members))
        except Exception as error:  # noqa: BLE001 - the retry policy decides
            failure = error
            self._after.timed_out(work, slots[0].entry, error)
        finally:
            scope.close()
        for member in members:
            if failure is not None and member.is_open:
                member.error = failure
            if not member.entered and (failure is None or member.error is not None):
                member.close()
        if not work.gone:
            self._settle(work, handler, slots, scope, failure)

    def _prepare(self, slot: _Slot, handler: Handler) -> None:
        """Decode one event; a duplicate or an undecodable one isn't for the handler."""
        processing = slot.processing
        try:
            if self._after.is_duplicate(slot.entry, handler):
                processing.outcome = "duplicate"
            else:
                processing.decoded(None)  # here, before the handler sees any of them
                slot.member = BatchMember(processing)
                return
        except Exception as error:  # noqa: BLE001 - whatever decoding raised
            slot.undecodable = error
            processing.outcome = "dead_letter" if handler.dead_letter else "error"
            processing.fail(error)
        with processing:
            pass

    def _settle(
        self,
        work: PartitionWork,
        handler: Handler,
        slots: list[_Slot],
        scope: Scope,
        failure: Exception | None,
    ) -> None:
        """Each record's own end; those behind one that is tried again wait, but aren't handled again."""
        own_failures = any(slot.member is not None and slot.member.error is not None for slot in slots)
        again: list[Entry] = []
        for slot in slots:
            entry, member = slot.entry, slot.member
            entry.scope = scope
            error = member.error if member is not None else None
            untouched = failure is not None and member is not None and not member.touched
            if untouched and not own_failures:
                error, untouched = failure, False
            if again:
                self._behind(work, slot, error, untouched)
                again.append(entry)
            elif slot.undecodable is not None:
                self._after.give_up(work, entry, slot.undecodable, 0)
            elif untouched:
                again.append(entry)
            elif error is None:
                self._after.succeeded(work, entry)
            else:
                self._after.failed(work, entry, handler, error)
                if work.queue and work.queue[0] is entry.record:
                    work.queue.popleft()
                    again.append(entry)
        work.queue.extendleft(entry.record for entry in reversed(again))

    def _behind(self, work: PartitionWork, slot: _Slot, error: Exception | None, untouched: bool) -> None:
        """What to remember of a record that has to wait for one before it."""
        failures = work.failures_of(slot.entry.record.offset)
        if error is not None:
            failures.attempts += 1
        elif not untouched and slot.undecodable is None:
            failures.done = slot.entry
