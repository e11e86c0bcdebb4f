"""Which of the stored events have been counted for a flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["Followed", "Rows"]

Rows = tuple[int, int | None]
"""Numbers of stored events: from the first one on, before the last one; None: all since."""


class Followed(NamedTuple):
    """By flow and type of event: which rows were counted.

    Attributes:
        rows: In no order; ranges may overlap.
    """

    rows: Mapping[tuple[str, str], list[Rows]]

    def has(self, flow: str, kind: str, row: int) -> bool:
        """Whether an event was counted."""
        ranges = self.rows.get((flow, kind), ())
        return any(first <= row and (until is None or row < until) for first, until in ranges)

    def missing(self, pairs: Iterable[tuple[str, str]], first: int, until: int) -> set[tuple[str, str]]:
        """Those flows and types of which not all rows of a range were counted."""
        return {pair for pair in pairs if not self._covers(pair, first, until)}

    def _covers(self, pair: tuple[str, str], first: int, until: int) -> bool:
        for begin, end in sorted(self.rows.get(pair, ()), key=lambda rows: rows[0]):
            if begin > first:
                return False
            if end is None or end >= until:
                return True
            first = max(first, end)
        return first >= until
