"""Statements on whatever connection a service has: DB-API, Django's, SQLAlchemy's."""

from flowtrail._sql._dialects import Connection, Dialect, table_name
from flowtrail._sql._statements import dialect_of, execute, execute_many, fetch, in_transaction

__all__ = [
    "Connection",
    "Dialect",
    "dialect_of",
    "execute",
    "execute_many",
    "fetch",
    "in_transaction",
    "table_name",
]
