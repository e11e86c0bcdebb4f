"""Dead letters of one cause, counted."""

from __future__ import annotations

from typing import NamedTuple

from flowtrail_collector.dead_letters.model.letter import DeadLetter

__all__ = ["HOUR_MS", "CauseRow"]

HOUR_MS = 3_600_000


class CauseRow(NamedTuple):
    """So many dead letters that died of one cause. Times are milliseconds since the epoch.

    Attributes:
        cause: Its fingerprint.
        letters: How many there are.
        first_ms: When the first of them arrived.
        last_ms: When the last one did.
        last_hour: How many arrived within the last hour.
        hour_before: How many within the hour before that.
        example: The newest one.
    """

    cause: str | None
    letters: int
    first_ms: int | None
    last_ms: int | None
    last_hour: int
    hour_before: int
    example: DeadLetter

    @property
    def trend(self) -> str:
        """`rising`, `falling` or `steady` by the last two hours; `quiet` if nothing arrived within them."""
        if not self.last_hour and not self.hour_before:
            return "quiet"
        if self.last_hour == self.hour_before:
            return "steady"
        return "rising" if self.last_hour > self.hour_before else "falling"
