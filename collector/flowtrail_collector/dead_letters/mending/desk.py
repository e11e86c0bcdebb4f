"""Looks at payloads of dead letters and sends them back with changes.

An edit is a redrive of one dead letter: its new parts stand in the store, beside the job, until they are sent.
Killed at any point, the redriver goes on with it: nothing is lost, and of each kill at most one copy arrives twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from flowtrail.wire import Header
from flowtrail_collector.dead_letters.copies import Copies, Sending, replaced
from flowtrail_collector.dead_letters.mending.change import (
    OWN,
    Change,
    check_change,
    difference_of,
    replacement_of,
)
from flowtrail_collector.dead_letters.mending.form import Form, Shown, form_of, shown_text
from flowtrail_collector.dead_letters.mending.ports import Contracts, EditStore
from flowtrail_collector.dead_letters.model.audit import EditLine, WriteLine
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Place, Selection
from flowtrail_collector.dead_letters.model.redrive import Refusal, too_large
from flowtrail_collector.dead_letters.model.replacement import Replacement
from flowtrail_collector.dead_letters.ports import (
    HeadersLackingRecord,
    Job,
    Order,
    Outgoing,
    RecordMover,
    RedriveStore,
)
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.logs import audit_logger

__all__ = ["Draft", "MendingDesk", "Payload"]


_READ_SECONDS = 5.0
# Whoever edits one has looked at it: it goes round in no circle by itself.
_NO_LIMIT = 1_000_000
_Parts = tuple[bytes | None, bytes | None, Sequence[Header]]


class Payload(NamedTuple):
    """What a dead letter holds, as it would be sent back.

    Attributes:
        letter: What is stored of it.
        key: Its key, None if it has none; headers likewise, without flowtrail's own about dead letters.
        form: How its value is written.
        value: Its value as people read it.
        value_bytes: How long it is; None if there is none.
        problem: Why it can't be sent as it is; None if it can.
        edits: Those that were made of it, the newest first.
    """

    letter: DeadLetter
    key: Shown | None
    headers: Sequence[tuple[str, Shown | None]]
    form: Form
    value: Shown
    value_bytes: int | None
    problem: str | None
    edits: Sequence[EditLine]


class Draft(NamedTuple):
    """An edit that hasn't been sent.

    Attributes:
        order: The redrive that would send it.
        replacement: The new parts.
        diff: What goes and what comes.
        outgoing: The record that would be sent.
        checked_by: The contract that its value was checked by, None if none is known.
    """

    order: Order
    replacement: Replacement
    diff: str
    outgoing: Outgoing
    checked_by: str | None


class MendingDesk:
    """Use cases over the store and the broker; any thread.

    Args:
        store: Where dead letters are.
        edits: Where edits go.
        mover: For this desk alone.
        contracts: What payloads are read and checked by.
        on_job: Called when there is a new job.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        store: RedriveStore,
        edits: EditStore,
        mover: RecordMover,
        contracts: Contracts,
        *,
        on_job: Callable[[], None] = lambda: None,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._edits = edits
        self._mover = mover
        self._lock = threading.Lock()
        self._contracts = contracts
        self._on_job = on_job
        self._time_seconds = time_seconds

    def payload(self, place: Place, actor: str, remote: str) -> Payload | None:
        """What a dead letter holds; None if it isn't known. Written down before anything is read.

        Raises:
            ServiceUnreachableError: No broker answers.
        """
        letter = self._store.letter(place)
        if letter is None:
            return None
        self._looked(place, actor, remote)
        copy = self._copy(letter, None)
        key, value, headers = (
            self._as_it_stands(letter) if isinstance(copy, str) else _parts_of(copy.outgoing)
        )
        form = form_of(value, headers, self._contracts)
        return Payload(
            letter,
            shown_text(key),
            [(name, shown_text(text)) for name, text in headers if not name.startswith(OWN)],
            form,
            form.shown(value),
            None if value is None else len(value),
            copy if isinstance(copy, str) else None,
            self._edits.edits(place),
        )

    def review(self, place: Place, change: Change, actor: str, remote: str) -> Draft | None:
        """What an edit would send, for somebody to look at: it shows the payload, so that is written down, too.

        For what it raises see `draft`.
        """
        if self._store.letter(place) is None:
            return None
        self._looked(place, actor, remote)
        return self.draft(place, change, actor)

    def draft(self, place: Place, change: Change, actor: str) -> Draft | None:
        """What an edit would send; None if the dead letter isn't known.

        Raises:
            ConfigurationError: It can't be sent, or there is something wrong with it; one line with the field.
            ServiceUnreachableError: No broker answers.
        """
        letter = self._store.letter(place)
        if letter is None:
            return None
        check_change(letter, change)
        copy = self._copy(letter, change.to)
        if isinstance(copy, str):
            raise ConfigurationError(f"it can't be sent: {copy}")
        before = copy.outgoing
        form = form_of(before.value, before.headers, self._contracts)
        replacement = replacement_of(before, change, form)
        if not replacement:
            raise ConfigurationError(
                "nothing is changed: send it as it is with a redrive, or change value, key or headers"
            )
        after = replaced(before, replacement)
        self._check_size(after)
        topic, partition, offset = place
        order = Order(
            Selection(topic, partition, offset, state=letter.state),
            to=change.to,
            replay_limit=_NO_LIMIT,
            actor=actor,
            edit=f"edited {replacement.named}: {change.reason}",
        )
        checked_by = form.contract_name if "value" in replacement.parts else None
        return Draft(order, replacement, difference_of(before, after, replacement, form), after, checked_by)

    def send(self, place: Place, change: Change, actor: str, remote: str) -> Job | None:
        """Begin the redrive of an edited dead letter; None if it isn't known. For what it raises see `draft`."""
        draft = self.draft(place, change, actor)
        if draft is None:
            return None
        job = self._edits.begin(
            draft.order, place, draft.replacement, change.reason, draft.diff, remote, self._now_ms()
        )
        audit_logger.info("edit by %s from %s: %s, %s", actor, remote, job.id, draft.order.edit)
        self._on_job()
        return job

    def _copy(self, letter: DeadLetter, to: str | None) -> Sending | str:
        order = Order(Selection(*letter.place), to=to, replay_limit=_NO_LIMIT)
        with self._lock:
            try:
                return Copies(self._store, self._mover, order).one(letter)
            finally:
                self._mover.settled(())

    def _as_it_stands(self, letter: DeadLetter) -> _Parts:
        with self._lock:
            record = self._mover.read([letter.place], _READ_SECONDS).get(letter.place)
            self._mover.settled(())
        if record is None or record.timestamp_ms != letter.timestamp_ms:
            raise ConfigurationError(Refusal.GONE.value)
        if isinstance(record, HeadersLackingRecord):
            raise ConfigurationError(Refusal.HEADERS_LACKING.value)
        return record.key, record.value, record.headers

    def _check_size(self, record: Outgoing) -> None:
        with self._lock:
            (limit,) = self._mover.exceeded_limits([record])
        if limit is not None:
            raise ConfigurationError(f"it can't be sent: {too_large(record.topic, limit)}")

    def _looked(self, place: Place, actor: str, remote: str) -> None:
        topic, partition, offset = place
        detail = f"{topic}/{partition}@{offset}"
        audit_logger.info("payload by %s from %s: %s", actor, remote, detail)
        self._store.note_write(WriteLine(self._now_ms(), actor, remote, "payload", detail))

    def _now_ms(self) -> int:
        return int(self._time_seconds() * 1000)


def _parts_of(record: Outgoing) -> _Parts:
    return record.key, record.value, record.headers
