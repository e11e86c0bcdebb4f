"""How databases spell things: the little that differs is parameter marks and column types."""

from __future__ import annotations

import re
import sys
from typing import Any, NamedTuple, Protocol

from flowtrail.errors import ConfigurationError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?").fullmatch
_MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s"}


class Connection(Protocol):
    """A DB-API connection (PEP 249), Django's, or SQLAlchemy's `Connection` or `Session`."""

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


_POSTGRESQL = Dialect("%s", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BYTEA", "BIGINT")
_SQLITE = Dialect("?", "INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", "INTEGER")
_BY_NAME = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL, "cockroachdb": _POSTGRESQL}


def dialect_named(name: str, mark: str) -> Dialect:
    """The dialect of a database that a framework calls by its name.

    Raises:
        ConfigurationError: It is another database than SQLite and PostgreSQL.
    """
    if name not in _BY_NAME:
        raise ConfigurationError(
            f"outbox and inbox are for SQLite and PostgreSQL; this connection is to {name}"
        )
    return _BY_NAME[name]._replace(mark=mark)


def dialect_of_driver(connection: Any) -> Dialect:
    """The dialect of a DB-API connection, told by the driver's module; a class of one's own has the driver's.

    Raises:
        ConfigurationError: A driver whose way to mark parameters isn't supported.
    """
    # Not type(): what stands before a connection, to trace it, passes for its class.
    roots = [base.__module__.partition(".")[0] for base in connection.__class__.__mro__]
    named = [root for root in roots if hasattr(sys.modules.get(root), "paramstyle")]
    root = named[0] if named else roots[0]
    style = getattr(sys.modules.get(root), "paramstyle", "pyformat")
    if style not in _MARKS:
        raise ConfigurationError(
            f"{root} marks parameters as {style!r}; one of {', '.join(_MARKS)} is needed"
        )
    if root.startswith(("psycopg", "pg8000")) or style != "qmark":
        return _POSTGRESQL._replace(mark=_MARKS[style])
    return _SQLITE


def table_name(name: str) -> str:
    """A table's name that can stand in a statement.

    Raises:
        ConfigurationError: It isn't a plain identifier.
    """
    if not _IDENTIFIER(name):
        raise ConfigurationError(f"table name {name!r} is not an identifier")
    return name
