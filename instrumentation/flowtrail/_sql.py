"""Statements for any database: the little that differs is parameter marks and column types."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple, Protocol

from flowtrail.errors import ConfigurationError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?").fullmatch
_MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s"}


class Connection(Protocol):
    """A DB-API connection (PEP 249), as far as it is used."""

    def cursor(self) -> Any:
        """A cursor."""
        ...

    def commit(self) -> Any:
        """End the transaction."""
        ...

    def close(self) -> Any:
        """Give the connection up."""
        ...


class Dialect(NamedTuple):
    """How a database spells things.

    Attributes:
        mark: Stands for a parameter in a statement.
        counter: A primary key that counts up by itself.
        binary: A column of bytes.
        integer: A column of 64 bits.
    """

    mark: str
    counter: str
    binary: str
    integer: str

    def sql(self, statement: str) -> str:
        """A statement written with `?` marks, as this database wants it."""
        return statement if self.mark == "?" else statement.replace("?", self.mark)


def dialect_of(connection: Connection) -> Dialect:
    """The dialect of a connection's driver.

    Raises:
        ConfigurationError: A driver whose way to mark parameters isn't supported.
    """
    root = type(connection).__module__.partition(".")[0]
    module = sys.modules.get(root)
    style = getattr(module, "paramstyle", None)
    if style is None:
        style = "qmark" if root in ("sqlite3", "_sqlite3") else "pyformat"
    if style not in _MARKS:
        raise ConfigurationError(
            f"{root} marks parameters as {style!r}; one of {', '.join(_MARKS)} is needed"
        )
    if root.startswith(("psycopg", "pg8000")) or style != "qmark":
        return Dialect(_MARKS[style], "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BYTEA", "BIGINT")
    return Dialect(_MARKS[style], "INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", "INTEGER")


def table_name(name: str) -> str:
    """A table's name that can stand in a statement.

    Raises:
        ConfigurationError: It isn't a plain identifier.
    """
    if not _IDENTIFIER(name):
        raise ConfigurationError(f"table name {name!r} is not an identifier")
    return name


def execute(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> int:
    """Execute a statement with `?` marks; hands back how many rows it concerned."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(dialect_of(connection).sql(statement), parameters)
        return int(cursor.rowcount)


def fetch(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """The rows of a query with `?` marks."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(dialect_of(connection).sql(statement), parameters)
        return list(cursor.fetchall())
