"""Portable SQL: written once, in the subset that every database understands.

`postgres.dialect` says what of it is translated there. Only the path every record takes has statements of its
own for PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import chain
from typing import Any, Protocol

__all__ = ["MAX_IDS", "Connection", "Cursor", "Database", "Reads", "insert_rows", "marks"]

_ROWS_AT_ONCE = 500  # times 17 columns stays below SQLite's 32,766 parameters


class Cursor(Protocol):
    """Rows of a statement."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""
        ...

    def fetchone(self) -> Any:
        """The next row, None behind the last."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection within a transaction. Parameters are written `?`."""

    @property
    def total_changes(self) -> int:
        """Rows changed so far, over all statements."""
        ...

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement."""
        ...

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Cursor:
        """Run a statement once for each row of parameters."""
        ...


class Database(Protocol):
    """Transactions on one database."""

    @property
    def name(self) -> str:
        """What may be shown: path or address, never a password."""
        ...

    def transaction(self) -> AbstractContextManager[Connection]:
        """A writing transaction: committed at the end of the block, rolled back if it raises.

        One at a time, over all threads and all workers.

        Raises:
            StoreError: Nothing was changed.
        """
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for reading; all it reads within the block is as of one moment.

        Raises:
            StoreError: It can't be read.
        """
        ...

    def newest_event_row(self) -> int:
        """Number of the newest row of `events`; none with a smaller number can show any more. 0 for none.

        Raises:
            StoreError: It can't be read.
        """
        ...

    def size_bytes(self) -> int:
        """Size on disk."""
        ...

    def used_bytes(self) -> int:
        """Space that is in use, without what lies free in files; may be an estimate.

        Raises:
            StoreError: It can't be read.
        """
        ...

    def give_back(self, limit: int) -> bool:
        """Give the system back up to so many pages that lie free, if they are many; whether there are more.

        Raises:
            StoreError: It can't be changed.
        """
        ...

    def close(self) -> None:
        """Close every connection; open blocks must have ended."""
        ...


MAX_IDS = 500
"""Ids in one statement: what SQLite binds is limited, and an order has far fewer."""


def marks(values: Sequence[Any]) -> str:
    """As many `?` as there are values."""
    return ",".join("?" * len(values))


class Reads:
    """What reads a database.

    Args:
        database: The collector's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(statement, tuple(values)).fetchall()
        return rows


def insert_rows(connection: Connection, head: str, rows: Sequence[Sequence[Any]], tail: str = "") -> None:
    """Insert rows of one width in few statements: a third less time in SQLite than one statement per row.

    Args:
        connection: Within a writing transaction.
        head: The statement up to `VALUES`.
        rows: Parameters, row by row.
        tail: What follows the values, such as `ON CONFLICT ...`.
    """
    if not rows:
        return
    width = len(rows[0])
    whole = len(rows) - len(rows) % _ROWS_AT_ONCE
    for start in range(0, whole, _ROWS_AT_ONCE):
        values = list(chain.from_iterable(rows[start : start + _ROWS_AT_ONCE]))
        connection.execute(_insertion(head, width, _ROWS_AT_ONCE, tail), values)
    if whole < len(rows):
        connection.executemany(_insertion(head, width, 1, tail), rows[whole:])


@lru_cache(maxsize=64)
def _insertion(head: str, width: int, rows: int, tail: str) -> str:
    row = f"({','.join('?' * width)})"
    return f"{head} VALUES {','.join([row] * rows)} {tail}"
