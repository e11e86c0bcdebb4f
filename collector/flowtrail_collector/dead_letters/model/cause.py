"""Dead letters of one cause, counted."""

from __future__ import annotations

from typing import NamedTuple

from flowtrail_collector.causes import trend_of
from flowtrail_collector.dead_letters.model.letter import DeadLetter

__all__ = ["CauseLately", "CauseRow"]


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
        return trend_of(self.last_hour, self.hour_before)


class CauseLately(NamedTuple):
    """How often dead letters died of one cause lately, whatever became of them; times are ms since the epoch.

    Attributes:
        cause: Its fingerprint.
        now: How many arrived within a span of time up to now.
        before: How many within the same span before.
        orders: Of how many flows, or orders, those of `now` are.
        first_ms: When the first of `now` arrived.
        is_new: None arrived before that span.
        example: The newest one.
    """

    cause: str | None
    now: int
    before: int
    orders: int
    first_ms: int
    is_new: bool
    example: DeadLetter
