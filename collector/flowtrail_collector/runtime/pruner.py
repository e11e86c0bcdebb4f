"""Forgetting what is old."""

from __future__ import annotations

from typing import Protocol


class Pruner(Protocol):
    """Removes the oldest of what is kept, a bounded piece at a time so that others get their turn."""

    def prune_events(self, before_ms: int, limit: int) -> int:
        """Forget events recorded before a time, in the order they were read.

        One that still waits to be looked through for edges stays, and so do those read after it.

        Returns:
            How many went; `limit` means there may be more.
        """
        ...

    def prune_sagas(self, before_ms: int, limit: int) -> int:
        """Forget instances whose newest event is older: those that ended, and those that never started."""
        ...

    def oldest_event_ms(self) -> int | None:
        """When the event read first was recorded, None if there is none."""
        ...

    def used_bytes(self) -> int:
        """Space that what is kept takes up, without what lies free in files. May be an estimate."""
        ...
