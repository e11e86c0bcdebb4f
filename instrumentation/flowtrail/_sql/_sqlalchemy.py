"""SQLAlchemy's `Connection` and `Session`: statements go through them, so that any driver will do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from flowtrail._sql._dialects import Dialect, dialect_named
from flowtrail.errors import ConfigurationError

# SQLAlchemy forgets otherwise how many rows an INSERT concerned.
_OPTIONS = {"preserve_rowcount": True}


@lru_cache(maxsize=64)
def _is_sqlalchemy(kind: Any) -> bool:
    modules = [base.__module__ for base in kind.__mro__]
    if any(module.startswith("sqlalchemy.ext.asyncio") for module in modules):
        raise ConfigurationError(
            f"{kind.__name__} works in coroutines only: use await session.run_sync(lambda session: "
            "outbox.add(session, ...)), and give outbox() the connect of an engine that isn't asynchronous"
        )
    return hasattr(kind, "execute") and any(module.startswith("sqlalchemy.") for module in modules)


def is_sqlalchemy(connection: Any) -> bool:
    """Whether it is a `Connection`, a `Session` or a `scoped_session`.

    Raises:
        ConfigurationError: It is one of those that only coroutines can use.
    """
    kind: Any = type(connection)
    return _is_sqlalchemy(kind)


def driver_connection(connection: Any) -> Any:
    """The DB-API connection behind one that SQLAlchemy's pool lent, or the connection itself."""
    return getattr(connection, "dbapi_connection", None) or connection


def dialect_of(connection: Any) -> Dialect:
    """The dialect of the database behind it.

    Raises:
        ConfigurationError: It is neither SQLite nor PostgreSQL.
    """
    bind = connection.get_bind() if hasattr(connection, "get_bind") else connection
    return dialect_named(bind.dialect.name, "?")


def execute(connection: Any, statement: str, parameters: Sequence[Any]) -> int:
    """Execute a statement with `?` marks; hands back how many rows it concerned."""
    return int(_run(connection, statement, _named(parameters)).rowcount)


def execute_many(connection: Any, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Execute a statement with `?` marks once for each row of parameters."""
    _run(connection, statement, [_named(row) for row in rows])


def fetch(connection: Any, statement: str, parameters: Sequence[Any]) -> list[Any]:
    """The rows of a query with `?` marks."""
    return list(_run(connection, statement, _named(parameters)).all())


def _run(connection: Any, statement: str, parameters: Any) -> Any:
    return connection.execute(_text(statement), parameters, execution_options=_OPTIONS)


def _named(parameters: Sequence[Any]) -> dict[str, Any]:
    return {f"p{number}": value for number, value in enumerate(parameters)}


@lru_cache(maxsize=64)
def _text(statement: str) -> Any:
    from sqlalchemy import text

    first, *rest = statement.split("?")
    return text(first + "".join(f":p{number}{part}" for number, part in enumerate(rest)))
