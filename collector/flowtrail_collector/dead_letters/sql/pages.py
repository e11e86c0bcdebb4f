"""Pages of dead letters, the newest first, from one row on: handling those of a page doesn't move the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowtrail_collector.dead_letters.model.letter import LetterKey
from flowtrail_collector.store.sql import Connection

__all__ = ["NEWEST", "page_of"]

NEWEST = "timestamp_ms DESC NULLS LAST, position DESC, topic, partition"
# For those with a timestamp: PostgreSQL's index begins with the nulls.
_NEWEST = "timestamp_ms DESC, position DESC, topic, partition"
_OLDEST = "timestamp_ms, position, topic DESC, partition DESC"


def page_of(
    connection: Connection,
    columns: str,
    where: str,
    values: Sequence[Any],
    limit: int,
    *,
    after: LetterKey | None = None,
    before: LetterKey | None = None,
) -> list[tuple[Any, ...]]:
    """Rows of `dead_letters`, the newest first; those without a timestamp come last, whatever a database thinks of them.

    Args:
        connection: To the store.
        columns: What of them.
        where: Which.
        values: What stands for its `?`.
        limit: How many at most.
        after: Those behind this one.
        before: The last ones before this one.
    """
    key, back = (after, False) if before is None else (before, True)
    found: list[tuple[Any, ...]] = []
    for timed in (not back, back):
        if key is not None and (key[0] is not None) is not timed and timed is not back:
            continue  # behind a row without a timestamp there are none with one, and the other way round
        beyond, more = _beyond(key, timed=timed, back=back)
        statement = f"""SELECT {columns} FROM dead_letters WHERE {where}
 AND timestamp_ms IS {"NOT NULL" if timed else "NULL"}{beyond} ORDER BY {_OLDEST if back else _NEWEST} LIMIT ?"""  # noqa: S608
        found += connection.execute(statement, [*values, *more, limit - len(found)]).fetchall()
        if len(found) == limit:
            break
    return found[::-1] if back else found


def _beyond(key: LetterKey | None, *, timed: bool, back: bool) -> tuple[str, list[Any]]:
    if key is None or (key[0] is not None) is not timed:
        return "", []
    moment, position, topic, partition = key
    less, more = (">", "<") if back else ("<", ">")
    same = f"(position {less} ? OR (position = ? AND (topic, partition) {more} (?, ?)))"
    rest = [position, position, topic, partition]
    if moment is None:
        return f" AND {same}", rest
    return f" AND timestamp_ms {less}= ? AND (timestamp_ms {less} ? OR {same})", [moment, moment, *rest]
