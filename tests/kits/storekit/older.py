"""Stores as earlier versions left them: the newest migrations of the core undone, in reverse order."""

from __future__ import annotations

from typing import Any

from flowtrail_collector.events.model import Seen

# The newest first. What a migration added, and how it goes.
_UNDO: dict[str, tuple[str, ...]] = {
    "followed": ("DROP TABLE followed_types",),
    "instances": tuple(
        f"ALTER TABLE sagas DROP COLUMN {name}" for name in ("instance", "repeated_starts", "late_events")
    ),
    "cluster": (
        "DROP TABLE cluster",
        "DROP INDEX sagas_partial",
        *(f"ALTER TABLE positions DROP COLUMN {name}" for name in Seen._fields),
    ),
    "oversize": ("ALTER TABLE dead_letters DROP COLUMN oversize",),
    "rules": ("DROP TABLE flow_rules",),
}


def back_before(connection: Any, migration: str) -> None:
    """Undo this migration and all that came after it; the caller commits."""
    names = list(_UNDO)
    gone = names[: names.index(migration) + 1]
    for name in gone:
        for statement in _UNDO[name]:
            connection.execute(statement)
    connection.execute(f"UPDATE schema_versions SET version = version - {len(gone)} WHERE part = 'core'")
