"""One member of a consumer group: poll, handle, wait for acknowledgements, commit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping

from flowtrail._clock import remaining
from flowtrail._runtime.attempts import Attempts
from flowtrail._runtime.handlers import Plan
from flowtrail._runtime.partition import Memory, PartitionWork
from flowtrail._runtime.services import Services
from flowtrail._runtime.watch import Watch
from flowtrail.clients import CommitRefusedError, ConsumerClient, Partition
from flowtrail.wire import Record

_log = logging.getLogger("flowtrail")

_MAX_IN_FLIGHT = 1000
_MAX_POLL_RECORDS = 500
_IN_FLIGHT_POLL_SECONDS = 0.005
# Clients run the listener on the loop that also sends their heartbeats.
_REVOKE_WAIT_SECONDS = 0.8


class GroupMember:
    """One member; its `step` is called again and again by one thread.

    Records are handled in order per partition. The handler's publications go out meanwhile; a record's offset
    is committed when all of its publications, and all records before it, are through.

    Args:
        plan: The group's handlers.
        services: What is shared.
        stop: Set when the trail stops; the record in hand is finished.
        memory: What is known of partitions, outliving rebalances and reconnects.
        joined: Set when the group has given this member its partitions.
    """

    def __init__(
        self,
        plan: Plan,
        services: Services,
        stop: threading.Event,
        memory: dict[Partition, Memory] | None = None,
        joined: threading.Event | None = None,
    ) -> None:
        self._plan = plan
        self._services = services
        self._telemetry = services.telemetry
        self._timing = services.timing
        self._now_ns = services.telemetry.clock.monotonic_ns
        self._stop = stop
        self._memory = memory if memory is not None else {}
        self._works: dict[Partition, PartitionWork] = {}
        self._paused: set[Partition] = set()
        # Whether a partition that comes back after a rebalance is still paused differs from client to client.
        self._unsure: set[Partition] = set()
        self.watch = Watch(f"flowtrail-{plan.group}", self._keep_alive)
        self._attempts = Attempts(plan, services, self.watch)
        self._committed_at = 0.0
        at_once = services.publisher.client.kind.commits_at_once
        self._commit_interval_seconds = 0.0 if at_once else services.timing.commit_interval_seconds
        self._consumer: ConsumerClient
        self.joined = joined if joined is not None else threading.Event()

    # -- the client's listener; runs while the client polls or closes

    def assigned(self, partitions: Collection[Partition]) -> None:
        """See `RebalanceListener.assigned`."""
        for partition in partitions:
            if partition not in self._works:
                self._works[partition] = PartitionWork(partition, self._memory.pop(partition, None))
        self._unsure.update(partitions)
        self.joined.set()

    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """See `RebalanceListener.revoked`."""
        self._await_publications(partitions, _REVOKE_WAIT_SECONDS)
        works = [self._works[partition] for partition in partitions if partition in self._works]
        for work in works:
            self._collect(work)
        offsets = {work.partition: work.next_offset for work in works if work.next_offset is not None}
        self.lost(partitions)
        return offsets

    def lost(self, partitions: Collection[Partition]) -> None:
        """See `RebalanceListener.lost`."""
        for partition in partitions:
            work = self._works.pop(partition, None)
            if work is None:
                continue
            work.gone = True
            self._attempts.after.forget(work)
            # It may come back to this very member: its retries then go on counting.
            self._memory[partition] = work.memory
        self._paused.difference_update(partitions)

    # -- the loop

    @property
    def partitions(self) -> list[Partition]:
        """What this member owns."""
        return list(self._works)

    def run(self, consumer: ConsumerClient, connected: Callable[[], None]) -> None:
        """Work until told to stop, then wait for publications and commit.

        Args:
            consumer: Subscribed already, with this object as its listener.
            connected: Called when the group was joined.

        Raises:
            ClientError: The consumer is of no use any more.
        """
        self._consumer = consumer
        self.watch.start()
        try:
            while not self._stop.is_set():
                self.step()
                if self._works:
                    connected()
        except Exception:
            raise
        except BaseException:  # a handler ends the program: those before it are through
            self.finish()
            raise
        else:
            self.finish()
        finally:
            self.watch.stop()

    def attach(self, consumer: ConsumerClient) -> None:
        """Use a consumer without running, for tests that call `step` themselves."""
        self._consumer = consumer

    def step(self) -> bool:
        """One round: fetch, handle, settle, commit. Whether anything came of it, so that another may do more."""
        self.watch.check()
        fetched = self._fetch(self._poll_seconds())
        handled = self._work()
        moved = self._settle()
        self._commit(force=False)
        return fetched or handled or moved

    def finish(self) -> None:
        """Wait for what is under way, and commit it."""
        self._await_publications(list(self._works), self._timing.shutdown_timeout_seconds)
        for work in self._works.values():
            self._collect(work)
        self._commit(force=True)

    @property
    def next_due_ns(self) -> int | None:
        """When the next waiting retry is due, None if none waits."""
        now = self._now_ns()
        waiting = (work.next_due_ns for work in self._works.values())
        return min((due for due in waiting if due > now), default=None)

    def _poll_seconds(self) -> float:
        now = self._now_ns()
        longest = self._timing.poll_interval_seconds
        for work in self._works.values():
            if work.waits:
                continue
            if work.in_flight:
                longest = min(longest, _IN_FLIGHT_POLL_SECONDS)
            if work.queue:
                longest = min(longest, max(0.0, (work.due_ns - now) / 1e9))
            elif work.next_offset is not None:
                longest = min(longest, self._commit_interval_seconds)
        return longest

    def _fetch(self, timeout_seconds: float) -> bool:
        if self._consumer.rebalancing():
            self._await_publications(list(self._works), self._timing.shutdown_timeout_seconds)
            self._settle()
            self._commit(force=True)
        self._hold_back()
        with self._telemetry.polling(group=self._plan.group) as poll:
            records = self._consumer.poll(timeout_seconds, _MAX_POLL_RECORDS)
            self._enqueue(records, poll.received)
        return bool(records)

    def _enqueue(self, records: list[Record], received: Callable[[str], None] = lambda _topic: None) -> None:
        for record in records:
            work = self._works.get(Partition(record.topic, record.partition))
            if work is not None:  # else it was revoked while this very poll went on
                work.queue.append(record)
                received(record.topic)

    def _hold_back(self, everything: bool = False) -> None:
        """Pause the partitions that have enough to do, resume the others."""
        full = {partition for partition, work in self._works.items() if everything or self._is_full(work)}
        unsure, self._unsure = self._unsure, set()
        if resumed := (self._paused | unsure) - full:
            self._consumer.resume(resumed)
        if paused := full - (self._paused - unsure):
            self._consumer.pause(paused)
        self._paused = full

    def _is_full(self, work: PartitionWork) -> bool:
        return bool(work.queue) or len(work.in_flight) >= _MAX_IN_FLIGHT

    def _keep_alive(self) -> None:
        """Poll without fetching, so that a long handler doesn't cost the membership."""
        self._hold_back(everything=True)
        self._enqueue(self._consumer.poll(0.0, _MAX_POLL_RECORDS))

    # -- handling, acknowledgements, commits

    def _work(self) -> bool:
        """Handle what is queued, for at most a slice of time."""
        until = time.monotonic() + self._timing.slice_seconds
        handled = False
        for work in list(self._works.values()):
            while work.queue and not work.gone and not self._stop.is_set():
                if work.waits or work.due_ns > self._now_ns() or len(work.in_flight) >= _MAX_IN_FLIGHT:
                    break
                if not self._attempts.take(work):
                    break
                handled = True
                if time.monotonic() > until:
                    break
        if self._works:
            # Whoever came first comes last next time: a busy partition doesn't starve the others.
            first = next(iter(self._works))
            self._works[first] = self._works.pop(first)
        return handled

    def _settle(self) -> bool:
        """Move on what is acknowledged; handle or send again what wasn't. Whether anything was moved or sent."""
        moved = False
        for work in self._works.values():
            moved |= self._collect(work)  # those behind it may have waited for it
            failed = work.failed()
            if failed is not None:
                moved |= self._attempts.after.publication_failed(work, failed)
        return moved

    def _collect(self, work: PartitionWork) -> bool:
        moved = False
        while (entry := work.pop_through()) is not None:
            self._attempts.after.through(entry)
            moved = True
        return moved

    def _await_publications(self, partitions: Collection[Partition], timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        for partition in partitions:
            work = self._works.get(partition)
            for entry in work.in_flight if work is not None else ():
                if entry.passing is not None and entry.passing.resends:
                    break  # nobody knows when it can be written; it stays uncommitted
                if entry.scope is not None and not entry.scope.wait(remaining(deadline)):
                    return

    def _commit(self, *, force: bool) -> None:
        works = [work for work in self._works.values() if work.next_offset is not None]
        now = time.monotonic()
        if not works or (not force and now - self._committed_at < self._commit_interval_seconds):
            return
        self._committed_at = now
        offsets = {work.partition: work.next_offset for work in works if work.next_offset is not None}
        try:
            with self._telemetry.committing(
                {partition.topic for partition in offsets}, group=self._plan.group
            ):
                self._consumer.commit(offsets)
        except CommitRefusedError as error:
            # A rebalance is under way, or over; whoever has the partitions now handles the records again.
            _log.info("group %s: commit refused, the group has moved on: %s", self._plan.group, error)
        except Exception as error:  # noqa: BLE001 - the next commit covers this one
            _log.warning("group %s: commit failed, trying again: %s", self._plan.group, error)
        else:
            for work in works:
                if work.next_offset == offsets[work.partition]:
                    work.next_offset = None
