"""What one group's columns come to in one collection."""

from __future__ import annotations

from flowtrail_collector.lag.groups import GroupRecord
from flowtrail_collector.lag.model import (
    NOTHING_UNCOMMITTED,
    GroupReading,
    PartitionTable,
    Status,
    Uncommitted,
    max_known,
    sum_known,
    worst,
)
from flowtrail_collector.settings import LagSettings

__all__ = ["read_group"]

_TROUBLE = frozenset({Status.BEHIND, Status.STALLED, Status.STOPPED})


def read_group(record: GroupRecord, table: PartitionTable, settings: LagSettings, now: float) -> GroupReading:
    """Work out a group's reading.

    Args:
        record: the group, with its commits of this collection.
        table: with the end offsets that were read after them.
        settings: times.
        now: seconds since the epoch.
    """
    columns, judge = record.columns, record.judge
    columns.measure(table, now, read_committed=record.read_committed, patience=settings.keep_failing_seconds)
    statuses = _statuses(record, table, now)
    uncommitted = _uncommitted(record, table, now)
    held = uncommitted or NOTHING_UNCOMMITTED
    topics = judge.sums(columns, table, statuses, now, held)
    unseen = len(columns.unseen | held.unseen)
    partitions = len(columns.pairs) + len(held.partitions) + unseen
    known = len(columns.pairs) - columns.lags.count(None) + len(held.partitions) - _open(held)
    # Members that aren't known yet may hold more than has been committed.
    certain = not unseen and (uncommitted is not None or record.info.type == "streams")
    complete = certain and 0 < known == partitions
    status = _status(statuses, held, certain=certain)
    return GroupReading(
        group=record.info.name,
        type=record.info.type,
        state=record.info.state,
        read_at=record.read_at,
        layout=columns.layout,
        pairs=columns.pairs,
        slices=columns.slices,
        commits=columns.commits,
        ends=columns.ends,
        lags=columns.lags,
        seconds=columns.seconds,
        statuses=statuses,
        topics=topics,
        sum_lag=(sum_known(topics.sum_lags) or 0) if complete else None,
        max_lag=max(columns.least, default=0) if complete else None,
        least_lag=sum(topics.least_lags) if partitions else None,
        partitions=partitions,
        known=known,
        max_seconds=max_known(topics.max_seconds),
        status=status,
        orphans=columns.orphans,
        members=_members(record),
        uncommitted=uncommitted,
        since=_since(record, statuses, now) if status in _TROUBLE else None,
    )


def _statuses(record: GroupRecord, table: PartitionTable, now: float) -> bytes:
    return record.judge.statuses(
        record.columns,
        table,
        now,
        held=_held(record),
        rebalancing=record.info.state == "preparing_rebalance",
        deserted=not record.has_members,
    )


def _since(record: GroupRecord, statuses: bytes, now: float) -> float | None:
    """Since when a group hasn't read what it should, as far as its commits, its members and what it left unread tell.

    A partition stands still since it was last committed to, or since what is unread there came if that was later. A
    commit that was never seen to move may be of any time before. A group that is slow is so since the oldest of what
    it hasn't read came. Nobody reads since the last member left at the latest.
    """
    columns, began = record.columns, []
    for i, status in enumerate(statuses):
        waited = columns.seconds[i]
        if status not in _TROUBLE or not columns.least[i] or waited is None:
            continue
        moved = columns.moved_at[i]
        was_seen = (
            status != Status.BEHIND and record.first_read_at is not None and moved > record.first_read_at
        )
        began.append(max(now - waited, moved) if was_seen else now - waited)
    if record.was_full and record.empty_since is not None:
        began.append(record.empty_since)
    return min(began, default=None)


def _held(record: GroupRecord) -> frozenset[tuple[str, int]] | None:
    """What its members hold; None while that isn't known or changes."""
    if not record.has_members:
        return frozenset()
    return record.members.assigned if record.members and record.info.state == "stable" else None


def _members(record: GroupRecord) -> int | None:
    if not record.has_members:
        return 0
    return None if record.members is None else record.members.members


def _uncommitted(record: GroupRecord, table: PartitionTable, now: float) -> Uncommitted | None:
    """Partitions that its members hold without a commit; None if its members aren't known."""
    if not record.has_members:
        return NOTHING_UNCOMMITTED
    if record.members is None:
        return None
    columns = record.columns
    record.watch.take(record.members.assigned, columns.pairs, columns.layout, table)
    return record.watch.read(table, now)


def _open(held: Uncommitted) -> int:
    """How many of the held partitions that are looked at hold records that may be unread."""
    return sum(held.open.values()) - len(held.unseen)


def _status(committed: bytes, held: Uncommitted, *, certain: bool) -> Status | None:
    """The group's status: its worst partition's, those without a commit among them.

    Args:
        committed: statuses of the partitions with a commit.
        held: those without one.
        certain: there is no other partition that it may read.
    """
    status = worst(committed)
    if held.status == Status.UNCOMMITTED and (status is None or status < Status.STALLED):
        return Status.UNCOMMITTED
    if not committed and held.partitions:
        status = held.status
    # "ok" is said of all of it, or not at all.
    return None if status == Status.OK and (held.open or not certain) else status
