"""Customer Management's SQLite and messaging."""

from orderflow.customers.adapters.messaging import build
from orderflow.customers.adapters.sqlite import SCHEMA, SqliteCustomers

__all__ = ["SCHEMA", "SqliteCustomers", "build"]
