"""Redrives as rows: how a job is added, read, and which dead letters it has still before it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flowtrail_collector.broker_names import has_offsets
from flowtrail_collector.dead_letters.model.audit import WriteLine
from flowtrail_collector.dead_letters.model.letter import Place, Selection
from flowtrail_collector.dead_letters.ports import Job, JobState, Order
from flowtrail_collector.dead_letters.sql.letters import IN_PLACE, last_change, where_of
from flowtrail_collector.errors import CountedOtherwiseError
from flowtrail_collector.store.sql import Connection
from flowtrail_collector.wording import counted

__all__ = [
    "JOB_COLUMNS",
    "Portion",
    "ahead_of",
    "as_counted",
    "check_counted",
    "insert_job",
    "insert_write",
    "job_of",
]

JOB_COLUMNS = """id, request, bounds, state, total, redriven, quarantined, refused, refusals, cursor_topic,
 cursor_partition, cursor_position, revision, created_ms, updated_ms, ended_ms"""

_WITHIN = "topic = ? AND partition = ? AND position <= ?"
_BY_TIME = "coalesce(timestamp_ms, 0), position"
_TIME_OF = (
    "SELECT coalesce(timestamp_ms, 0) FROM dead_letters WHERE topic = ? AND partition = ? AND position = ?"
)


def insert_job(connection: Connection, order: Order, now_ms: int) -> Job:
    """Add a job in the caller's transaction; see `RedriveStore.add_job`.

    Raises:
        CountedOtherwiseError: More match than expected.
    """
    selection = as_counted(connection, order.selection)
    where, values = where_of(selection)
    created = datetime.fromtimestamp(now_ms / 1000, UTC)
    rows = connection.execute(
        f"SELECT topic, partition, max(position), count(*) FROM dead_letters WHERE {where}"  # noqa: S608
        " GROUP BY topic, partition ORDER BY topic, partition",
        values,
    ).fetchall()
    bounds = [(topic, partition, last) for topic, partition, last, _ in rows]
    total = sum(row[3] for row in rows)
    check_counted(total, order.expected_total)
    job = Job(
        id=f"{created:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        order=replace(order, selection=selection),
        state=JobState.RUNNING,
        total=total,
        created_ms=now_ms,
        updated_ms=now_ms,
        bounds=bounds,
    )
    asked = json.dumps(asdict(job.order)), json.dumps(bounds)
    connection.execute(
        "INSERT INTO redrive_jobs (id, request, bounds, state, total, created_ms, updated_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (job.id, *asked, job.state.value, job.total, now_ms, now_ms),
    )
    return job


def as_counted(connection: Connection, selection: Selection) -> Selection:
    """A selection without what comes later: what is sent back and dies again isn't sent round in circles."""
    last = last_change(connection)
    return replace(selection, as_of=last if selection.as_of is None else min(last, selection.as_of))


def check_counted(total: int, expected: int | None) -> None:
    """Refuse to do more than somebody has counted and agreed to.

    Raises:
        CountedOtherwiseError: More match than expected.
    """
    if expected is not None and total > expected:
        matching = counted(total, "dead letter")
        raise CountedOtherwiseError(
            f"{matching} match by now instead of {expected}: nothing was done, look again"
        )


def insert_write(connection: Connection, line: WriteLine) -> None:
    """Add a line to the audit of writes in the caller's transaction."""
    connection.execute("INSERT INTO write_audit VALUES (?, ?, ?, ?, ?)", line)


def job_of(row: tuple[Any, ...]) -> Job:
    """The job of a row of `JOB_COLUMNS`."""
    (job_id, request, bounds, state, total, redriven, quarantined, refused, refusals, topic, partition,
     position, revision, created_ms, updated_ms, ended_ms) = row  # fmt: skip
    asked = json.loads(request)
    return Job(
        id=job_id,
        order=Order(**{**asked, "selection": Selection(**asked["selection"])}),
        state=JobState(state),
        total=total,
        redriven=redriven,
        quarantined=quarantined,
        refused=refused,
        created_ms=created_ms,
        updated_ms=updated_ms,
        ended_ms=ended_ms,
        cursor=None if topic is None else (topic, partition, position),
        refusals=json.loads(refusals),
        bounds=[(name, number, last) for name, number, last in json.loads(bounds)],
        revision=revision,
    )


class Portion(NamedTuple):
    """What a job has before it in one partition.

    Attributes:
        where: A condition on `dead_letters`.
        values: Its values.
        order: In which order it is dealt with.
    """

    where: str
    values: list[Any]
    order: str


def ahead_of(connection: Connection, job: Job) -> Iterator[Portion]:
    """What a job has still before it, in the order in which it is to be sent: the oldest first."""
    for topic, partition, last in job.bounds:
        where, values = _WITHIN, [topic, partition, last]
        order = IN_PLACE if has_offsets(topic) else _BY_TIME
        if job.cursor is not None:
            if (topic, partition) < job.cursor[:2]:
                continue
            if (topic, partition) == job.cursor[:2]:
                more, known = _beyond(connection, job.cursor, order)
                where, values = f"{where} AND {more}", values + known
        yield Portion(where, values, order)


def _beyond(connection: Connection, cursor: Place, order: str) -> tuple[str, list[Any]]:
    if order == IN_PLACE:
        return "position > ?", [cursor[2]]
    (moment,) = connection.execute(_TIME_OF, cursor).fetchone() or (0,)
    return f"({_BY_TIME}) > (?, ?)", [moment, cursor[2]]
