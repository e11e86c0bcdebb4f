"""What a lag means: Burrow's idea of judging a group by its behaviour over a window, not by a threshold.

Source of the idea: https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["UNKNOWN_STATUS", "Status", "status_of", "worst"]


class Status(IntEnum):
    """State of a group at a partition; the value is the metric's value.

    Up to `BEYOND` in rising order of urgency; `UNCOMMITTED` came later and is as urgent as `STALLED`.
    """

    OK = 0
    REWOUND = 1
    """The committed offset went back within the window (a reset, or a replay)."""
    BEHIND = 2
    """It commits, but records wait longer and longer."""
    STALLED = 3
    """It has members, records wait, and it has committed nothing for a window."""
    STOPPED = 4
    """It has no members, and records wait."""
    LOSING = 5
    """Retention removed records before it read them."""
    BEYOND = 6
    """Its committed offset lies past the end of the log: truncated, recreated or set by hand."""
    UNCOMMITTED = 7
    """A member holds partitions with records in them and has never committed there."""


UNKNOWN_STATUS = 255
"""In a column of statuses: not known."""

_BY_VALUE: dict[int, Status | None] = {**{int(status): status for status in Status}, UNKNOWN_STATUS: None}


def worst(statuses: bytes) -> Status | None:
    """The most urgent of a column of statuses; None if none is known, or only `OK` beside ones that aren't."""
    if UNKNOWN_STATUS in statuses:
        statuses = statuses.replace(bytes((UNKNOWN_STATUS,)), b"")
        if not any(statuses):
            return None
    return _BY_VALUE[max(statuses)] if statuses else None


def status_of(value: int) -> Status | None:
    """A column's entry as a status; None if it isn't known."""
    return _BY_VALUE[value]
