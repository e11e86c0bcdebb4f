"""What a lag means: Burrow's idea of judging a group by its behaviour over a window, not by a threshold.

Source of the idea: https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules.
"""

from __future__ import annotations

from collections.abc import Set
from enum import IntEnum

from flowtrail_collector.lag.model._columns import NEVER, GroupColumns
from flowtrail_collector.lag.model._waits import GROWTH, Waits

__all__ = ["UNKNOWN_STATUS", "Status", "judged", "status_of", "worst"]


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
    """A member holds it, records wait, and nothing was committed for a window."""
    STOPPED = 4
    """Records wait and nobody reads: the group has no members, or for a window none of them has held it."""
    LOSING = 5
    """Retention removed records before it read them."""
    BEYOND = 6
    """Its committed offset lies past the end of the log: truncated, recreated or set by hand."""
    UNCOMMITTED = 7
    """A member holds partitions with records in them and has never committed there."""


UNKNOWN_STATUS = 255
"""In a column of statuses: not known."""

_BY_VALUE: dict[int, Status | None] = {**{int(status): status for status in Status}, UNKNOWN_STATUS: None}


def judged(
    columns: GroupColumns,
    now: float,
    window: float,
    *,
    held: Set[tuple[str, int]] | None,
    rebalancing: bool,
    earlier: Waits | None,
    deserted: bool = False,
) -> bytes:
    """Judge every entry of a group's columns.

    Args:
        columns: measured in this cycle.
        now: seconds since the epoch.
        window: the span that behaviour is judged over, seconds.
        held: (topic, partition) of all that members hold; None if that isn't known.
        rebalancing: nobody reads until all members have come back.
        earlier: how long each entry had waited about a window ago, None if not known yet.
        deserted: the group has no members. Then no window has to pass: whatever waits, nobody reads it.

    Returns:
        One `Status` value per entry, `UNKNOWN_STATUS` where the end offset isn't known.
    """
    found = bytearray(len(columns.commits))
    rewound_at = columns.rewound_at
    for i in [i for i, at in enumerate(rewound_at) if at] if any(rewound_at) else ():
        if now - rewound_at[i] < window:
            found[i] = Status.REWOUND
        else:
            rewound_at[i] = NEVER
    moved_at, lags, least, seconds = columns.moved_at, columns.lags, columns.least, columns.seconds
    if rebalancing:
        found[:] = bytes(
            was or (Status.BEHIND if lag else was) for was, lag in zip(found, least, strict=True)
        )
    # Where a wait grew by more than this since the earlier look, it falls behind; below 0: there was no wait to compare.
    before, growth = (earlier.seconds, GROWTH * (now - earlier.at)) if earlier is not None else (None, 0.0)
    for i in [i for i, waited in enumerate(seconds) if waited is None or waited >= window]:
        if not least[i]:
            continue
        if now - moved_at[i] >= window:
            somebody_reads = held is None or columns.pairs[i] in held
            found[i] = Status.STALLED if somebody_reads else Status.STOPPED
        elif before is not None and not found[i] and before[i] >= 0.0:
            # (After a rewind old records wait again; that says nothing about the pace.)
            waited = seconds[i]
            if waited is not None and waited - before[i] > growth:
                found[i] = Status.BEHIND
    if deserted:
        # (Who moves offsets back has to stop the group first: that is told for its window, and its members beside it.)
        for i in [i for i, lag in enumerate(least) if lag and found[i] != Status.REWOUND]:
            found[i] = Status.STOPPED
    for i in columns.losing:
        found[i] = Status.LOSING
    if None in lags:
        beyond = columns.beyond
        for i in [i for i, lag in enumerate(lags) if lag is None]:
            if i in beyond:
                found[i] = Status.BEYOND
            elif found[i] == Status.OK:
                # (That what it lagged behind before still waits is known all the same.)
                found[i] = UNKNOWN_STATUS
    return bytes(found)


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
