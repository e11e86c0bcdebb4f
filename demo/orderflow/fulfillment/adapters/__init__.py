"""Fulfillment's SQLite and messaging."""

from orderflow.fulfillment.adapters.messaging import build
from orderflow.fulfillment.adapters.sqlite import SCHEMA, SqliteShipments

__all__ = ["SCHEMA", "SqliteShipments", "build"]
