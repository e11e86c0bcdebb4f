"""The table in which handled events are remembered."""

from __future__ import annotations

from flowtrail._sql import table_name


class HandledEvents:
    """Statements for one such table; `?` marks parameters.

    Args:
        name: The table's name.

    Attributes:
        insert: Remembers an event, unless it is remembered already: consumer, event key, milliseconds.

    Raises:
        ConfigurationError: The name isn't an identifier.
    """

    def __init__(self, name: str) -> None:
        self.name = table_name(name)
        self.insert = (
            f"INSERT INTO {name} (consumer, event_key, handled_at_ms) VALUES (?, ?, ?)"  # noqa: S608
            " ON CONFLICT (consumer, event_key) DO NOTHING"
        )

    def create(self, integer: str) -> str:
        """Creates the table unless it is there; `integer` is the database's type of 64 bits."""
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name} (consumer TEXT NOT NULL, event_key TEXT NOT NULL,"
            f" handled_at_ms {integer} NOT NULL, PRIMARY KEY (consumer, event_key))"
        )
