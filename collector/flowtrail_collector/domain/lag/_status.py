"""What a lag means: Burrow's idea of judging a group by its behaviour over a window, not by a threshold.

Source of the idea: https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """State of a group at a partition, in rising order of urgency; the value is the metric's value."""

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
