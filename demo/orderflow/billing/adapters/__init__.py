"""Billing's SQLite and messaging."""

from orderflow.billing.adapters.messaging import build
from orderflow.billing.adapters.sqlite import SCHEMA, SqliteAccounts

__all__ = ["SCHEMA", "SqliteAccounts", "build"]
