"""Where readers are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from flowtrail_collector.readers.model import ReaderKey, Seen

__all__ = ["Readers"]


class Readers(Protocol):
    """Keeps who reads what; as many as it has room for, those seen last."""

    def note(self, seen: Mapping[ReaderKey, int]) -> None:
        """Note who was seen when, in milliseconds since the epoch; an earlier time changes nothing.

        Raises:
            StoreError: Nothing was noted.
        """
        ...

    def seen(self, *, since_ms: int = 0, type: str | None = None) -> Sequence[Seen]:
        """Who was seen at or after this time, by name.

        Raises:
            StoreError: It can't be read.
        """
        ...

    def known(self) -> int:
        """How many are kept, however long ago they were seen.

        Raises:
            StoreError: It can't be read.
        """
        ...
