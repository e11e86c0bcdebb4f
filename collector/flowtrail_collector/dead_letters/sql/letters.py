"""Dead letters as rows: the one list of columns, in the order of `DeadLetter`'s fields."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from flowtrail_collector.broker_names import RABBITMQ, without_broker
from flowtrail_collector.causes import HOUR_MS
from flowtrail_collector.dead_letters.model.cause import CauseLately, CauseRow
from flowtrail_collector.dead_letters.model.letter import STATES, DeadLetter, LetterKey, Place, Selection
from flowtrail_collector.dead_letters.sql.pages import NEWEST, page_of
from flowtrail_collector.store.sql import MAX_IDS, Connection, Reads, marks

__all__ = [
    "IN_PLACE",
    "DeadLetterReads",
    "add_letters",
    "flows_with_letters",
    "last_change",
    "letters",
    "next_change",
    "replays_of",
    "where_of",
]

_COLUMNS = """topic, partition, position, timestamp_ms, event_id, type, subject, correlation_id, state,
 convention, source_topic, source_partition, source_offset, source_timestamp_ms, consumer_group, attempts,
 replays, error_type, error_message, failed_ms, oversize, cause"""
_ADD = (
    f"INSERT OR IGNORE INTO dead_letters ({_COLUMNS}, changed)"  # noqa: S608
    f" VALUES ({','.join('?' * (len(DeadLetter._fields) + 1))})"
)
_COUNT_CAUSES = """SELECT cause, count(*), min(timestamp_ms), max(timestamp_ms),
 sum(CASE WHEN timestamp_ms >= ? THEN 1 ELSE 0 END),
 sum(CASE WHEN timestamp_ms >= ? AND timestamp_ms < ? THEN 1 ELSE 0 END) FROM dead_letters"""

# One range of the index of times for each state.
_COUNT_LATELY = f"""SELECT cause, sum(now), sum(1 - now), count(DISTINCT flow), min(first_ms) FROM (SELECT cause,
 CASE WHEN timestamp_ms >= ? THEN 1 ELSE 0 END AS now, CASE WHEN timestamp_ms >= ? THEN timestamp_ms END AS first_ms,
 CASE WHEN timestamp_ms >= ? THEN coalesce(correlation_id, subject, event_id) END AS flow
 FROM dead_letters WHERE state IN ({marks(STATES)}) AND timestamp_ms >= ?) lately
 GROUP BY cause HAVING sum(now) > sum(1 - now) ORDER BY 2 DESC, 1 LIMIT ?"""  # noqa: S608 - our own states
_REDRIVEN = """SELECT actor FROM redrive_audit
 WHERE target_topic = ? AND target_partition = ? AND target_offset = ? ORDER BY at_ms DESC LIMIT 1"""
IN_PLACE = "topic, partition, position"
"""The order in which they lie in their topics."""

_CHOICES = {"topic": "topic", "source": "source_topic", "group": "consumer_group", "error": "error_type"}
_MOST_CHOICES = 100
_EARLIER = f"SELECT 1 FROM dead_letters WHERE state IN ({marks(STATES)}) AND timestamp_ms < ? AND "  # noqa: S608


def replays_of(table: str) -> str:
    """SQL: how often the record was sent back, going by the audit.

    The dead letter's source is then the place a redrive wrote to: that holds also for frameworks that lose
    the header which counts.
    """
    return f"""coalesce((SELECT max(a.replays) FROM redrive_audit a WHERE a.target_topic = {table}.source_topic
 AND a.target_partition = {table}.source_partition AND a.target_offset = {table}.source_offset), 0)"""  # noqa: S608


def where_of(selection: Selection) -> tuple[str, list[Any]]:
    """A selection as a condition on `dead_letters`, and its values."""
    equal = {
        "state": selection.state,
        "cause": selection.cause,
        "topic": selection.topic,
        "partition": selection.partition,
        "position": selection.offset,
        "source_topic": selection.source_topic,
        "error_type": selection.error_type,
    }
    used = {column: value for column, value in equal.items() if value is not None}
    parts, values = [f"{column} = ?" for column in used], list[Any](used.values())
    if selection.group is not None:
        condition, names = _in_group(selection.group)
        parts.append(condition)
        values += names
    if selection.cause is not None and selection.state is None:
        # Any of them: then the index of causes is of use, whose first column is the state.
        parts.append(f"state IN ({marks(STATES)})")
        values += STATES
    if selection.id is not None:
        parts.append("(event_id = ? OR correlation_id = ? OR subject = ?)")
        values += [selection.id] * 3
    if selection.flow is not None:
        parts.append("correlation_id IN (SELECT key FROM sagas WHERE flow = ?)")
        values.append(selection.flow)
    if selection.as_of is not None:
        parts.append("changed <= ?")
        values.append(selection.as_of)
    if selection.since_ms is not None:
        parts.append("timestamp_ms >= ?")
        values.append(selection.since_ms)
    if selection.until_ms is not None:
        parts.append("timestamp_ms < ?")
        values.append(selection.until_ms)
    return " AND ".join(parts) or "1 = 1", values


def _in_group(name: str) -> tuple[str, list[Any]]:
    """A condition on the group: its name, or the queue that lag knows it by, with or without the exchange in its name."""
    if not name.startswith(RABBITMQ):
        return "consumer_group = ?", [name]
    condition = (
        "(source_topic || '.' || consumer_group = ? OR consumer_group = ? AND substr(source_topic, 1, ?) = ?)"
    )
    return condition, [name, without_broker(name), len(RABBITMQ), RABBITMQ]


def add_letters(connection: Connection, found: Iterable[DeadLetter]) -> None:
    """Add dead letters in the caller's transaction; one that is there already stays as it is."""
    rows = list(found)
    if rows:
        change = next_change(connection)
        connection.executemany(_ADD, [(*letter, change) for letter in rows])


def next_change(connection: Connection) -> int:
    """The number of a change of dead letters that the caller's transaction makes."""
    connection.execute("UPDATE dead_letter_changes SET number = number + 1")
    return last_change(connection)


def last_change(connection: Connection) -> int:
    """The number of the last change of dead letters: who arrives, or comes to another state, later has a larger one."""
    return int(connection.execute("SELECT number FROM dead_letter_changes").fetchone()[0])


def flows_with_letters(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of these correlation ids of which there is a dead letter, pending or not."""
    wanted, found = sorted(ids), set[str]()
    for start in range(0, len(wanted), MAX_IDS):
        part = wanted[start : start + MAX_IDS]
        statement = (
            f"SELECT DISTINCT correlation_id FROM dead_letters WHERE correlation_id IN ({marks(part)})"  # noqa: S608
        )
        found.update(row[0] for row in connection.execute(statement, part).fetchall())
    return found


def letters(
    connection: Connection, where: str, values: Sequence[Any], limit: int, *, order: str = IN_PLACE
) -> list[DeadLetter]:
    """Dead letters, in the order of their places unless another is given; their replays go by the audit too."""
    rows = connection.execute(
        f"SELECT {_COLUMNS}, {replays_of('dead_letters')} FROM dead_letters WHERE {where}"  # noqa: S608
        f" ORDER BY {order} LIMIT ?",
        [*values, limit],
    )
    return [_with_replays(DeadLetter(*row), known) for *row, known in rows]


def _is_of(cause: str | None) -> tuple[str, list[Any]]:
    return ("cause IS NULL", []) if cause is None else ("cause = ?", [cause])


def _newest_of(connection: Connection, where: str, values: Sequence[Any], cause: str | None) -> DeadLetter:
    own, more = _is_of(cause)
    return letters(connection, f"{where} AND {own}", [*values, *more], 1, order=NEWEST)[0]


def _with_replays(letter: DeadLetter, known: int) -> DeadLetter:
    return letter if known <= (letter.replays or 0) else letter._replace(replays=known)


class DeadLetterReads(Reads):
    """`DeadLetterLists` on the collector's database, and dead letters by the ids of what they are copies of."""

    def dead_letters(self, event_ids: Sequence[str], limit: int) -> list[DeadLetter]:
        """See `TrailReader.dead_letters`."""
        found: list[DeadLetter] = []
        for at in range(0, len(event_ids), MAX_IDS):
            ids = event_ids[at : at + MAX_IDS]
            found += self._letters(f"event_id IN ({marks(ids)}) LIMIT ?", [*ids, limit])
        return found[:limit]

    def redriven_by(self, places: Sequence[Place]) -> dict[Place, str]:
        """See `TrailReader.redriven_by`."""
        with self._database.read() as connection:
            rows = [(place, connection.execute(_REDRIVEN, place).fetchone()) for place in places]
        return {place: row[0] for place, row in rows if row is not None}

    def list_dead_letters(
        self,
        selection: Selection,
        limit: int,
        offset: int = 0,
        *,
        after: LetterKey | None = None,
        before: LetterKey | None = None,
    ) -> list[DeadLetter]:
        """See `DeadLetterLists.list_dead_letters`."""
        where, values = where_of(selection)
        if offset:
            return self._letters(f"{where} ORDER BY {NEWEST} LIMIT ? OFFSET ?", [*values, limit, offset])
        with self._database.read() as connection:
            rows = page_of(connection, _COLUMNS, where, values, limit, after=after, before=before)
        return [DeadLetter(*row) for row in rows]

    def read_pending_count(self) -> int:
        """See `DeadLetterLists.count_pending`."""
        return int(self._rows("SELECT count(*) FROM dead_letters WHERE state = 'pending'")[0][0])

    def read_letter_values(self) -> dict[str, list[str]]:
        """See `DeadLetterLists.letter_values`."""
        found: dict[str, list[str]] = {}
        for name, column in _CHOICES.items():
            rows = self._rows(
                f"SELECT DISTINCT {column} FROM dead_letters WHERE {column} IS NOT NULL ORDER BY 1 LIMIT ?",  # noqa: S608
                (_MOST_CHOICES + 1,),
            )
            if len(rows) <= _MOST_CHOICES:
                found[name] = [row[0] for row in rows]
        return found

    def list_causes(self, selection: Selection, now_ms: int, limit: int) -> list[CauseRow]:
        """See `DeadLetterLists.list_causes`."""
        where, values = where_of(selection)
        hour, before = now_ms - HOUR_MS, now_ms - 2 * HOUR_MS
        with self._database.read() as connection:
            rows = connection.execute(
                f"{_COUNT_CAUSES} WHERE {where} GROUP BY cause ORDER BY coalesce(max(timestamp_ms), 0) DESC, 1 LIMIT ?",
                [hour, before, hour, *values, limit],
            ).fetchall()
            return [CauseRow._make((*row, _newest_of(connection, where, values, row[0]))) for row in rows]

    def causes_lately(self, now_ms: int, span_ms: int, limit: int) -> list[CauseLately]:
        """See `Lately.causes_lately`."""
        since, before = now_ms - span_ms, now_ms - 2 * span_ms
        where, states = f"state IN ({marks(STATES)}) AND timestamp_ms >= ?", list(STATES)
        with self._database.read() as connection:
            values = (since, since, since, *states, before, limit)
            found = []
            for cause, now, earlier, orders, first_ms in connection.execute(_COUNT_LATELY, values).fetchall():
                own, more = _is_of(cause)
                known = connection.execute(f"{_EARLIER}{own} LIMIT 1", (*states, since, *more)).fetchone()
                example = _newest_of(connection, where, [*states, since], cause)
                found.append(
                    CauseLately(cause, int(now), int(earlier), orders, first_ms, known is None, example)
                )
        return found

    def pending_letters(self, correlation_ids: Sequence[str]) -> dict[str, list[DeadLetter]]:
        """Pending dead letters of flows, by correlation id."""
        found: dict[str, list[DeadLetter]] = defaultdict(list)
        for at in range(0, len(correlation_ids), MAX_IDS):
            ids = correlation_ids[at : at + MAX_IDS]
            where = f"correlation_id IN ({marks(ids)}) AND state = 'pending' LIMIT ?"
            for letter in self._letters(where, [*ids, 10 * MAX_IDS]):
                found[letter.correlation_id or ""].append(letter)
        return found

    def _letters(self, where: str, values: Sequence[Any]) -> list[DeadLetter]:
        rows = self._rows(f"SELECT {_COLUMNS} FROM dead_letters WHERE {where}", values)  # noqa: S608
        return [DeadLetter(*row) for row in rows]
