"""Edits of dead letters on the collector's database: what is to be sent, who changed it and why."""

from __future__ import annotations

from flowtrail_collector.dead_letters.model.audit import EditLine, WriteLine
from flowtrail_collector.dead_letters.model.letter import Place
from flowtrail_collector.dead_letters.model.replacement import Replacement
from flowtrail_collector.dead_letters.ports import Job, Order
from flowtrail_collector.dead_letters.sql.job_rows import insert_job, insert_write
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.store.sql import Database

__all__ = ["SqlEdits"]

_OF_PLACE = "topic = ? AND partition = ? AND position = ?"
_MAX_EDITS = 100


class SqlEdits:
    """`EditStore` on SQLite or PostgreSQL.

    Args:
        database: The collector's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self,
        order: Order,
        place: Place,
        replacement: Replacement,
        reason: str,
        diff: str,
        remote: str,
        now_ms: int,
    ) -> Job:
        """See `EditStore.begin`."""
        with self._database.transaction() as connection:
            under_way = connection.execute(
                f"SELECT job FROM redrive_edits WHERE {_OF_PLACE} AND replacement IS NOT NULL",  # noqa: S608
                place,
            ).fetchone()
            if under_way is not None:
                raise ConfigurationError(
                    f"an edit of this dead letter is being sent by redrive {under_way[0]}: wait for it, or cancel it"
                )
            job = insert_job(connection, order, now_ms)
            if job.total != 1:
                raise ConfigurationError("somebody else redrove or dismissed it meanwhile: look at it again")
            connection.execute(
                "INSERT INTO redrive_edits (job, topic, partition, position, at_ms, actor, reason, diff, replacement)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (job.id, *place, now_ms, order.actor, reason, diff, replacement.dumped()),
            )
            topic, partition, offset = place
            detail = f"{job.id}: {topic}/{partition}@{offset}, {order.edit}"
            insert_write(connection, WriteLine(now_ms, order.actor, remote, "edit", detail))
        return job

    def edits(self, place: Place) -> list[EditLine]:
        """See `EditStore.edits`."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT job, at_ms, actor, reason, diff FROM redrive_edits WHERE {_OF_PLACE}"  # noqa: S608
                " ORDER BY at_ms DESC, job DESC LIMIT ?",
                (*place, _MAX_EDITS),
            ).fetchall()
        return [EditLine(*row) for row in rows]
