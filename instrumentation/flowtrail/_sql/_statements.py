"""Statements with `?` marks, on any connection."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from flowtrail._sql import _django, _sqlalchemy
from flowtrail._sql._dialects import Connection, Dialect, dialect_of_driver


def dialect_of(connection: Connection) -> Dialect:
    """The dialect of a connection.

    Raises:
        ConfigurationError: Neither SQLite nor PostgreSQL, a driver whose way to mark parameters isn't supported,
            or a connection that only coroutines can use.
    """
    if _django.is_django(connection):
        return _django.dialect_of(connection)
    if _sqlalchemy.is_sqlalchemy(connection):
        return _sqlalchemy.dialect_of(connection)
    return dialect_of_driver(_sqlalchemy.driver_connection(connection))


def execute(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> int:
    """Execute a statement; hands back how many rows it concerned."""
    if _sqlalchemy.is_sqlalchemy(connection):
        return _sqlalchemy.execute(connection, statement, parameters)
    with _cursor(connection) as cursor:
        cursor.execute(dialect_of(connection).sql(statement), parameters)
        return int(cursor.rowcount)


def execute_many(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Execute a statement once for each row of parameters; there has to be one."""
    if _sqlalchemy.is_sqlalchemy(connection):
        _sqlalchemy.execute_many(connection, statement, rows)
        return
    with _cursor(connection) as cursor:
        cursor.executemany(dialect_of(connection).sql(statement), rows)


def fetch(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """The rows of a query."""
    if _sqlalchemy.is_sqlalchemy(connection):
        return _sqlalchemy.fetch(connection, statement, parameters)
    with _cursor(connection) as cursor:
        cursor.execute(dialect_of(connection).sql(statement), parameters)
        return list(cursor.fetchall())


def in_transaction(connection: Connection) -> None:
    """Make sure that what is written next doesn't commit by itself.

    Raises:
        ConfigurationError: It would; says what to do.
    """
    if _django.is_django(connection):
        _django.in_transaction(connection)


def _cursor(connection: Any) -> closing[Any]:
    return closing(connection.cursor())
