"""What people ask of the dead letter desk: look, count, send back, dismiss."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowtrail.wire import Record
from flowtrail_collector.dead_letters.measuring import measured
from flowtrail_collector.dead_letters.model.audit import AuditLine, WriteLine
from flowtrail_collector.dead_letters.model.letter import PENDING, QUARANTINED, DeadLetter, Place, Selection
from flowtrail_collector.dead_letters.model.redrive import is_topic_name
from flowtrail_collector.dead_letters.model.survey import survey
from flowtrail_collector.dead_letters.ports import Job, JobState, Order, RecordMover, RedriveStore
from flowtrail_collector.errors import ConfigurationError, ServiceUnreachableError
from flowtrail_collector.logs import audit_logger

__all__ = ["Dossier", "RedriveDesk"]


_READ_SECONDS = 5.0
_MAX_HISTORY = 100
_MAX_REPLAY_LIMIT = 1_000
_MAX_RATE = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything about one dead letter.

    Attributes:
        letter: What is stored of it.
        record: The record as it stands in Kafka, None if it can't be read.
        problem: Why not.
        history: What was done with it, the newest first.
    """

    letter: DeadLetter
    record: Record | None
    problem: str | None
    history: Sequence[AuditLine]


class RedriveDesk:
    """Use cases over the store and Kafka; any thread.

    Args:
        store: Where dead letters, jobs and audit are.
        kafka: For the desk alone: the redriver has its own.
        on_job: Called when there is a new job.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        store: RedriveStore,
        kafka: RecordMover,
        *,
        on_job: Callable[[], None] = lambda: None,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._kafka = kafka
        self._kafka_lock = threading.Lock()
        self._on_job = on_job
        self._time_seconds = time_seconds

    def show(self, place: Place) -> Dossier | None:
        """One dead letter with its record; None if it isn't known."""
        letter = self._store.letter(place)
        if letter is None:
            return None
        record, problem = None, None
        try:
            with self._kafka_lock:
                record = self._kafka.read([place], _READ_SECONDS).get(place)
                self._kafka.settled(())
        except ServiceUnreachableError as error:
            problem = str(error)
        if record is None and problem is None:
            problem = "the record is no longer in the dead letter topic"
        if record is not None and record.timestamp_ms != letter.timestamp_ms:
            record, problem = None, "another record has its place: the topic was recreated"
        return Dossier(letter, record, problem, self._store.audit(_MAX_HISTORY, place=place))

    def find(self, wanted: str, limit: int = 20) -> list[DeadLetter]:
        """The dead letters of an event, a flow or an aggregate by its id, the newest first."""
        return self._store.find(wanted, limit)

    def fixed(self, selection: Selection) -> Selection:
        """The same as of this moment: what is counted of it stays what is meant, whatever arrives later."""
        return (
            selection if selection.as_of is not None else replace(selection, as_of=self._store.last_change())
        )

    def survey(self, order: Order) -> dict[str, Any]:
        """What a redrive would do, see `model.survey.survey`; with `as_of`, which names what was counted.

        Raises:
            ConfigurationError: It makes no sense.
            ServiceUnreachableError: No broker answers.
        """
        _check(order)
        order = replace(order, selection=self.fixed(order.selection))
        groups = self._store.groups(order.selection, self._now_ms())
        with self._kafka_lock:
            wanted = {group.source_topic for group in groups if group.source_topic is not None}
            known = self._kafka.partitions(wanted if order.to is None else {order.to})
            stopped, unmeasured = measured(self._store, self._kafka, order, groups)
            self._kafka.settled(())
        counted = survey(
            groups,
            to=order.to,
            replay_limit=order.replay_limit,
            known=known,
            state=order.selection.state or PENDING,
            stopped=stopped,
            unmeasured=unmeasured,
        )
        return {**counted, "as_of": order.selection.as_of}

    def start(self, order: Order, remote: str = "") -> Job:
        """Begin a redrive.

        Raises:
            ConfigurationError: It makes no sense.
            CountedOtherwiseError: More match than expected; nothing was done.
        """
        _check(order)
        job = self._store.add_job(order, self._now_ms())
        self._note(order.actor, remote, "redrive", f"{job.id}: {job.total} of {described(order)}")
        self._on_job()
        return job

    def cancel(self, job_id: str, actor: str, remote: str = "") -> Job | None:
        """End a redrive before its time; None if there is no such job."""
        job = self._store.job(job_id)
        if job is None:
            return None
        self._note(actor, remote, "cancel", job_id)
        return self._store.end_job(job_id, JobState.CANCELLED, self._now_ms())

    def dismiss(self, order: Order, note: str, remote: str = "") -> int:
        """Mark dead letters as dealt with; gives their number. Of the order, where they go has no meaning.

        Raises:
            CountedOtherwiseError: More match than expected; none is marked.
        """
        dismissed = self._store.dismiss(order, note, self._now_ms())
        wanted = described(Order(order.selection))
        self._note(order.actor, remote, "dismiss", f"{dismissed} of {wanted}: {note}")
        return dismissed

    def first(self, selection: Selection, limit: int) -> list[DeadLetter]:
        """The first dead letters that a selection names, in the order of their topics."""
        return self._store.matching(selection, limit)

    def count(self, selection: Selection) -> int:
        """How many dead letters a selection names."""
        return sum(group.letters for group in self._store.groups(selection, self._now_ms()))

    def job(self, job_id: str) -> Job | None:
        """One redrive."""
        return self._store.job(job_id)

    def jobs(self, limit: int) -> list[Job]:
        """Redrives, the newest first."""
        return self._store.jobs(limit)

    def audit(self, limit: int, job_id: str | None = None) -> list[AuditLine]:
        """What was done with dead letters, the newest first."""
        return self._store.audit(limit, job=job_id)

    def writes(self, limit: int) -> list[WriteLine]:
        """Who asked for what, the newest first."""
        return self._store.writes(limit)

    def close(self) -> None:
        """Let go of the connections."""
        with self._kafka_lock:
            self._kafka.close()

    def _note(self, actor: str, remote: str, action: str, detail: str) -> None:
        audit_logger.info("%s by %s from %s: %s", action, actor, remote, detail)
        self._store.note_write(WriteLine(self._now_ms(), actor, remote, action, detail))

    def _now_ms(self) -> int:
        return int(self._time_seconds() * 1000)


def described(order: Order) -> str:
    """What was asked for, in one line."""
    wanted = {**order.selection.named, "to": order.to, "rate": order.rate or None}
    parts = [f"{name}={value}" for name, value in wanted.items() if value is not None]
    return " ".join([order.selection.state or "any", *parts])


def _check(order: Order) -> None:
    if order.to is not None and not is_topic_name(order.to):
        raise ConfigurationError(f"{order.to!r} is not a topic that can be written to")
    if not 0 <= order.replay_limit <= _MAX_REPLAY_LIMIT:
        raise ConfigurationError(f"the replay limit is between 0 and {_MAX_REPLAY_LIMIT}")
    if not 0 <= order.rate <= _MAX_RATE:
        raise ConfigurationError("the rate is in dead letters a second, 0 for no limit")
    if order.selection.state not in (PENDING, QUARANTINED):
        raise ConfigurationError("only what is pending or quarantined can be sent back")
