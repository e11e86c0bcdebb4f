"""Inventory's SQLite and messaging."""

from orderflow.inventory.adapters.messaging import build
from orderflow.inventory.adapters.sqlite import SCHEMA, SqliteWarehouse

__all__ = ["SCHEMA", "SqliteWarehouse", "build"]
