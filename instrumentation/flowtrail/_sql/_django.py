"""Django's connections: the DB-API in one spelling for all databases; only transactions are Django's own."""

from __future__ import annotations

from typing import Any

from flowtrail._sql._dialects import Dialect, dialect_named
from flowtrail.errors import ConfigurationError


def is_django(connection: Any) -> bool:
    """Whether it is `django.db.connection` or one of `connections`."""
    return hasattr(connection, "in_atomic_block") and hasattr(connection, "vendor")


def dialect_of(connection: Any) -> Dialect:
    """The dialect of the database behind it.

    Raises:
        ConfigurationError: It is neither SQLite nor PostgreSQL.
    """
    return dialect_named(connection.vendor, "%s")


def in_transaction(connection: Any) -> None:
    """Make sure that a transaction is open.

    Raises:
        ConfigurationError: Each statement would commit by itself: Django's default.
    """
    if not connection.in_atomic_block and connection.get_autocommit():
        raise ConfigurationError(
            "state and event would commit apart: call this inside `with transaction.atomic():`"
        )
