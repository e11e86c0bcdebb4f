"""What learning reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowtrail_collector.sagas.learning.histories import Seen

__all__ = ["InstanceReader"]


class InstanceReader(Protocol):
    """Reads events by the instances they belong to."""

    def instances(self, limit: int, since_ms: int | None = None) -> list[Sequence[Seen]]:
        """The events of up to `limit` instances, spread evenly over the newest events.

        Args:
            limit: How many instances.
            since_ms: Only those with an event since then, milliseconds since the epoch.

        Raises:
            StoreError: They can't be read.
        """
        ...
