"""Moves the dead letters of running jobs, batch by batch.

A batch is read again from Kafka, published, and only when the brokers have acknowledged the copies is it written
down that they were moved. Killed in between, the batch is published once more: every dead letter arrives at
least once, and of each kill at most one batch arrives twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from flowtrail_collector.dead_letters.copies import Copies
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Place
from flowtrail_collector.dead_letters.model.redrive import Action, Refusal
from flowtrail_collector.dead_letters.ports import Job, JobState, Moved, RecordMover, RedriveStore
from flowtrail_collector.errors import FencedError, ServiceUnreachableError
from flowtrail_collector.logs import audit_logger

__all__ = ["BATCH", "Redriver"]

logger = logging.getLogger("flowtrail_collector")

BATCH = 500
"""At most so many dead letters are on their way at a time; as many may arrive twice when it is killed."""

_IDLE_SECONDS = 1.0
# Values that were left out are large: so many of them at a time.
_OVERSIZE_BATCH = 50


class Redriver:
    """A `Part` that does the jobs one after another, the oldest first.

    Args:
        store: Where jobs and dead letters are.
        kafka: Where records are read and published.
        batch: How many dead letters are on their way at a time.
        time_seconds: Wall clock, seconds since the epoch.
    """

    name = "redrive"

    def __init__(
        self,
        store: RedriveStore,
        kafka: RecordMover,
        *,
        batch: int = BATCH,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._kafka = kafka
        self._batch = batch
        self._time_seconds = time_seconds
        self._wake = threading.Event()
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why a job doesn't get on, None when all is well."""
        return self._problem

    def wake(self) -> None:
        """There is a job."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Do jobs until told to stop."""
        try:
            while not stop.is_set():
                job = self._store.next_job()
                if job is None:
                    self._problem = None
                    self._wake.wait(_IDLE_SECONDS)
                    self._wake.clear()
                else:
                    self._do(job, stop)
        except ServiceUnreachableError as error:
            self._problem = str(error)
            raise
        except FencedError as error:
            logger.info("%s", error)  # another worker does it
        finally:
            self._kafka.close()

    def _do(self, job: Job, stop: threading.Event) -> None:
        replacement = self._store.replacement(job.id) if job.order.edit else None
        if job.order.edit and replacement is None:
            return  # it was cancelled just now; what it was to replace must not go as it was
        copies = Copies(self._store, self._kafka, job.order, replacement)
        while not stop.is_set():
            began = time.monotonic()
            rate = job.order.rate
            letters = self._store.next_letters(job, max(1, min(self._batch, int(rate) or self._batch)))
            if any(letter.oversize for letter in letters):
                letters = letters[:_OVERSIZE_BATCH]
            if not letters and job.order.edit and job.left:
                # Another redrive, or somebody's dismissal, came first.
                job = self._store.settle(job, [], {Refusal.DEALT_WITH.value: 1}, job.cursor, self._now_ms())
            if not letters:
                self._store.end_job(job.id, JobState.DONE, self._now_ms())
                logger.info(
                    "redrive %s: %d redriven, %d quarantined, %d refused",
                    job.id, job.redriven, job.quarantined, job.refused,
                )  # fmt: skip
                return
            before = job.redriven + job.quarantined
            job = self._move(job, letters, copies)
            self._problem = None
            now = self._store.job(job.id)
            if now is None or now.state is not JobState.RUNNING:
                return
            moved = job.redriven + job.quarantined - before
            if rate > 0:
                stop.wait(max(0.0, moved / rate - (time.monotonic() - began)))

    def _move(self, job: Job, letters: Sequence[DeadLetter], copies: Copies) -> Job:
        """Publish one batch and write down what became of it."""
        sending, refused = copies.of(letters)
        copies.make_quarantines(sending)
        acks = self._kafka.publish([item.outgoing for item in sending]) if sending else []
        moved: list[Moved] = []
        failed: dict[Place, str] = {}
        for item, ack in zip(sending, acks, strict=True):
            if ack.problem is None:
                way = item.route
                moved.append(
                    Moved(item.letter, way.action, way.topic, ack.partition, ack.offset, way.replays)
                )
            elif ack.final:
                refused[item.letter.place] = f"{Refusal.NOT_TAKEN.value}: {ack.problem}"
            else:
                failed[item.letter.place] = ack.problem
        cursor, over = _past(job.cursor, letters, failed)
        refusals = Counter(reason for place, reason in refused.items() if place in over)
        job = self._store.settle(job, moved, refusals, cursor, self._now_ms())
        self._kafka.settled([item.letter.place for item in moved if item.action is Action.REDRIVEN])
        _log(job, moved)
        if failed:
            raise ServiceUnreachableError(f"redrive {job.id}: {next(iter(failed.values()))}")
        return job

    def _now_ms(self) -> int:
        return int(self._time_seconds() * 1000)


def _log(job: Job, moved: Sequence[Moved]) -> None:
    for letter, action, *target, replays in moved:
        audit_logger.info(
            "%s %s/%d@%d to %s/%d@%d, replay %d, event %s, by %s, redrive %s",
            action.value, *letter.place, *target, replays, letter.event_id, job.order.actor, job.id,
        )  # fmt: skip


def _past(
    cursor: Place | None, letters: Sequence[DeadLetter], failed: Mapping[Place, str]
) -> tuple[Place | None, set[Place]]:
    """How far the job has got: up to the first that has to be tried again; and the places up to there."""
    over: set[Place] = set()
    for letter in letters:
        if letter.place in failed:
            break
        over.add(letter.place)
        cursor = letter.place
    return cursor, over
