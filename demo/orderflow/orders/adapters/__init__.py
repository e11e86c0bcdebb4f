"""Order Management's SQLite event store, HTTP and messaging."""

from orderflow.orders.adapters.event_store import SCHEMA, EventStore
from orderflow.orders.adapters.messaging import build

__all__ = ["SCHEMA", "EventStore", "build"]
