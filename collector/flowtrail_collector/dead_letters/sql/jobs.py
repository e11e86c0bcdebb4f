"""Redrives on the collector's database: which letters, how far, and what was done for whom."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowtrail_collector.dead_letters.model.audit import AuditLine, WriteLine
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Place, Selection
from flowtrail_collector.dead_letters.model.redrive import Action, bounded
from flowtrail_collector.dead_letters.model.replacement import Replacement
from flowtrail_collector.dead_letters.model.survey import AGES, Group
from flowtrail_collector.dead_letters.ports import Job, JobState, Moved, Order
from flowtrail_collector.dead_letters.sql.job_rows import (
    JOB_COLUMNS,
    ahead_of,
    as_counted,
    check_counted,
    insert_job,
    insert_write,
    job_of,
)
from flowtrail_collector.dead_letters.sql.letters import (
    last_change,
    letters,
    next_change,
    replays_of,
    where_of,
)
from flowtrail_collector.dead_letters.sql.pages import NEWEST
from flowtrail_collector.errors import FencedError
from flowtrail_collector.store.sql import Connection, Database

__all__ = ["SqlRedrive"]

_AUDIT_COLUMNS = """at_ms, job, actor, action, topic, partition, position, event_id, target_topic,
 target_partition, target_offset, replays, note"""
_ADD_AUDIT = f"INSERT INTO redrive_audit ({_AUDIT_COLUMNS}) VALUES ({','.join('?' * 13)})"  # noqa: S608
_COUNT = """INSERT INTO redrive_counts VALUES (?, ?, ?, ?, ?)
 ON CONFLICT (topic, source_topic, consumer_group, action)
 DO UPDATE SET value = redrive_counts.value + excluded.value"""
_MOVE_ON = """UPDATE redrive_jobs SET redriven = ?, quarantined = ?, refused = ?, refusals = ?,
 cursor_topic = ?, cursor_partition = ?, cursor_position = ?, revision = revision + 1, updated_ms = ?
 WHERE id = ? AND revision = ?"""
_MAX_GROUPS = 10_000
_DISMISS_BATCH = 1_000


class SqlRedrive:
    """`RedriveStore` on SQLite or PostgreSQL.

    Args:
        database: The collector's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_change(self) -> int:
        """See `RedriveStore.last_change`."""
        with self._database.read() as connection:
            return last_change(connection)

    def groups(self, selection: Selection, now_ms: int) -> list[Group]:
        """See `RedriveStore.groups`."""
        where, values = where_of(selection)
        ages = " ".join(f"WHEN ? - timestamp_ms < {bound} THEN {n}" for n, (_, bound) in enumerate(AGES[:-1]))
        inner = f"""SELECT topic, convention, source_topic, error_type, coalesce(replays, 0) AS own,
 {replays_of("dead_letters")} AS known, CASE {ages} ELSE {len(AGES) - 1} END AS age
 FROM dead_letters WHERE {where}"""  # noqa: S608
        rows = self._rows(
            f"SELECT topic, convention, source_topic, error_type, own, known, age, count(*) FROM ({inner})"  # noqa: S608
            " AS letters GROUP BY topic, convention, source_topic, error_type, own, known, age"
            " ORDER BY 8 DESC LIMIT ?",
            [*[now_ms] * (len(AGES) - 1), *values, _MAX_GROUPS],
        )
        return [
            Group(topic, convention, source, error, max(own, known), age, count)
            for topic, convention, source, error, own, known, age, count in rows
        ]

    def letter(self, place: Place) -> DeadLetter | None:
        """See `RedriveStore.letter`."""
        with self._database.read() as connection:
            found = letters(connection, "topic = ? AND partition = ? AND position = ?", place, 1)
        return found[0] if found else None

    def find(self, wanted: str, limit: int) -> list[DeadLetter]:
        """See `RedriveStore.find`."""
        where = "event_id = ? OR correlation_id = ? OR subject = ?"
        with self._database.read() as connection:
            return letters(connection, where, [wanted] * 3, limit, order=NEWEST)

    def dead_letter_topics(self, topics: Iterable[str]) -> set[str]:
        """See `RedriveStore.dead_letter_topics`."""
        statement = "SELECT 1 FROM dead_letters WHERE topic = ? LIMIT 1"
        return {topic for topic in topics if self._rows(statement, [topic])}

    def matching(self, selection: Selection, limit: int) -> list[DeadLetter]:
        """See `RedriveStore.matching`."""
        where, values = where_of(selection)
        with self._database.read() as connection:
            return letters(connection, where, values, limit)

    def oversize(self, selection: Selection, limit: int) -> list[DeadLetter]:
        """See `RedriveStore.oversize`."""
        where, values = where_of(selection)
        with self._database.read() as connection:
            return letters(connection, f"{where} AND oversize IS NOT NULL", values, limit)

    def add_job(self, order: Order, now_ms: int) -> Job:
        """See `RedriveStore.add_job`."""
        with self._database.transaction() as connection:
            return insert_job(connection, order, now_ms)

    def job(self, job_id: str) -> Job | None:
        """See `RedriveStore.job`."""
        return next(iter(self._jobs("WHERE id = ?", job_id)), None)

    def jobs(self, limit: int) -> list[Job]:
        """See `RedriveStore.jobs`."""
        return self._jobs("ORDER BY created_ms DESC, id DESC LIMIT ?", limit)

    def next_job(self) -> Job | None:
        """See `RedriveStore.next_job`."""
        return next(iter(self._jobs("WHERE state = 'running' ORDER BY created_ms, id LIMIT 1")), None)

    def replacement(self, job_id: str) -> Replacement | None:
        """See `RedriveStore.replacement`."""
        rows = self._rows("SELECT replacement FROM redrive_edits WHERE job = ?", [job_id])
        return None if not rows or rows[0][0] is None else Replacement.loaded(rows[0][0])

    def next_letters(self, job: Job, limit: int) -> list[DeadLetter]:
        """See `RedriveStore.next_letters`."""
        found: list[DeadLetter] = []
        where, values = where_of(job.order.selection)
        with self._database.read() as connection:
            for portion in ahead_of(connection, job):
                found += letters(
                    connection,
                    f"{portion.where} AND {where}",
                    [*portion.values, *values],
                    limit - len(found),
                    order=portion.order,
                )
                if len(found) >= limit:
                    break
        return found

    def settle(
        self,
        job: Job,
        moved: Sequence[Moved],
        refusals: Mapping[str, int],
        cursor: Place | None,
        now_ms: int,
    ) -> Job:
        """See `RedriveStore.settle`."""
        actions = Counter(item.action for item in moved)
        after = replace(
            job,
            redriven=job.redriven + actions[Action.REDRIVEN],
            quarantined=job.quarantined + actions[Action.QUARANTINED],
            refused=job.refused + sum(refusals.values()),
            refusals=bounded(Counter(job.refusals) + Counter(refusals)),
            cursor=cursor,
            revision=job.revision + 1,
            updated_ms=now_ms,
        )
        with self._database.transaction() as connection:
            progress = (after.redriven, after.quarantined, after.refused, json.dumps(after.refusals))
            values = (*progress, *(cursor or (None, None, None)), now_ms, job.id, job.revision)
            if connection.execute(_MOVE_ON, values).rowcount != 1:
                raise FencedError(f"redrive {job.id} was moved on by another worker")
            lines = [
                AuditLine(now_ms, job.id, job.order.actor, item.action.value, *item.letter.place, item.letter.event_id,
                          item.target_topic, item.target_partition, item.target_offset, item.replays, job.order.edit)
                for item in moved
            ]  # fmt: skip
            _write_down(connection, [item.letter for item in moved], lines)
        return after

    def end_job(self, job_id: str, state: JobState, now_ms: int) -> Job | None:
        """See `RedriveStore.end_job`."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE redrive_jobs SET state = ?, ended_ms = ?, updated_ms = ?"
                " WHERE id = ? AND state = 'running'",
                (state.value, now_ms, now_ms, job_id),
            )
            # What was to be sent is a payload: it isn't kept for longer than it is of use.
            connection.execute("UPDATE redrive_edits SET replacement = NULL WHERE job = ?", (job_id,))
        return self.job(job_id)

    def dismiss(self, order: Order, note: str, now_ms: int) -> int:
        """See `RedriveStore.dismiss`."""
        selection, dismissed = self._counted(order), 0
        where, values = where_of(selection)
        while True:
            # In pieces: the ingest writes to the same database, and shouldn't wait for long.
            with self._database.transaction() as connection:
                found = letters(connection, where, values, _DISMISS_BATCH)
                lines = [
                    AuditLine(now_ms, None, order.actor, Action.DISMISSED.value, *letter.place, letter.event_id,
                              None, None, None, letter.replays, note)
                    for letter in found
                ]  # fmt: skip
                _write_down(connection, found, lines)
            dismissed += len(found)
            if len(found) < _DISMISS_BATCH:
                return dismissed

    def _counted(self, order: Order) -> Selection:
        """What an order means at this moment, if it isn't more than was expected."""
        with self._database.read() as connection:
            selection = as_counted(connection, order.selection)
            where, values = where_of(selection)
            count = f"SELECT count(*) FROM dead_letters WHERE {where}"  # noqa: S608
            (total,) = connection.execute(count, values).fetchone()
        check_counted(total, order.expected_total)
        return selection

    def note_write(self, line: WriteLine) -> None:
        """See `RedriveStore.note_write`."""
        with self._database.transaction() as connection:
            insert_write(connection, line)

    def writes(self, limit: int) -> list[WriteLine]:
        """See `RedriveStore.writes`."""
        rows = self._rows(
            "SELECT at_ms, actor, remote, action, detail FROM write_audit ORDER BY rowid DESC LIMIT ?",
            [limit],
        )
        return [WriteLine(*row) for row in rows]

    def audit(self, limit: int, *, job: str | None = None, place: Place | None = None) -> list[AuditLine]:
        """See `RedriveStore.audit`."""
        where, values = ["1 = 1"], list[Any]()
        if job is not None:
            where.append("job = ?")
            values.append(job)
        if place is not None:
            where.append("topic = ? AND partition = ? AND position = ?")
            values += place
        rows = self._rows(
            f"SELECT {_AUDIT_COLUMNS} FROM redrive_audit WHERE {' AND '.join(where)}"  # noqa: S608
            " ORDER BY rowid DESC LIMIT ?",
            [*values, limit],
        )
        return [AuditLine(*row) for row in rows]

    def redriven_counts(self) -> Mapping[tuple[str, str, str, str], int]:
        """See `RedriveStore.redriven_counts`."""
        rows = self._rows("SELECT topic, source_topic, consumer_group, action, value FROM redrive_counts", [])
        return {(topic, source, group, action): value for topic, source, group, action, value in rows}

    def _jobs(self, which: str, *values: Any) -> list[Job]:
        rows = self._rows(f"SELECT {JOB_COLUMNS} FROM redrive_jobs {which}", values)  # noqa: S608
        return [job_of(row) for row in rows]

    def _rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            return connection.execute(statement, values).fetchall()


def _write_down(connection: Connection, done: Sequence[DeadLetter], lines: Sequence[AuditLine]) -> None:
    """States, audit and counters of dead letters that were dealt with, in the caller's transaction.

    Args:
        connection: The transaction's.
        done: The dead letters.
        lines: What was done with each of them, in the same order.
    """
    if not done:
        return
    change = next_change(connection)
    connection.executemany(
        "UPDATE dead_letters SET state = ?, changed = ? WHERE topic = ? AND partition = ? AND position = ?",
        [(line.action, change, line.topic, line.partition, line.offset) for line in lines],
    )
    connection.executemany(_ADD_AUDIT, lines)
    counted = Counter(
        (letter.topic, letter.source_topic or "", letter.group or "", line.action)
        for letter, line in zip(done, lines, strict=True)
    )
    connection.executemany(_COUNT, [(*labels, count) for labels, count in sorted(counted.items())])
