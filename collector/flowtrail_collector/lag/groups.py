"""Which groups are looked at, and what is remembered about each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowtrail_collector.lag.model import GroupColumns, GroupJudge, GroupReading, UncommittedWatch
from flowtrail_collector.lag.ports import Failure, GroupInfo, MemberInfo
from flowtrail_collector.settings import LagSettings

__all__ = ["GroupRecord", "GroupRegistry"]

# Share groups keep their progress elsewhere: they are listed, their lag isn't known here.
_WITH_COMMITS = ("classic", "consumer", "streams", "queue", "unknown")


@dataclass(slots=True)
class GroupRecord:
    """One group: what Kafka says about it, its columns, and its last reading."""

    info: GroupInfo
    judge: GroupJudge
    columns: GroupColumns
    watch: UncommittedWatch
    read_committed: bool
    ephemeral: bool
    read_at: float = 0.0
    first_read_at: float | None = None
    empty_since: float | None = None
    was_full: bool = False
    failure: Failure | None = None
    fresh: bool = False
    members: MemberInfo | None = None
    reading: GroupReading | None = None

    @property
    def has_commits(self) -> bool:
        """Whether groups of its type commit what they have read."""
        return self.info.type in _WITH_COMMITS

    @property
    def has_members(self) -> bool:
        """Whether anyone is in the group, as far as its state tells."""
        return self.info.state not in ("empty", "dead")


class GroupRegistry:
    """The groups that pass the filters.

    Args:
        settings: filters and times to forget.
    """

    def __init__(self, settings: LagSettings) -> None:
        self._settings = settings
        self._wanted = re.compile(settings.groups or "")
        self._ephemeral = re.compile(settings.ephemeral)
        self._read_committed = re.compile(settings.read_committed) if settings.read_committed else None
        self._records: dict[str, GroupRecord] = {}
        self._forgotten: set[str] = set()

    def __len__(self) -> int:
        """How many groups are known."""
        return len(self._records)

    def __iter__(self) -> Iterator[GroupRecord]:
        """All records, by name."""
        return iter(self._records.values())

    def get(self, name: str) -> GroupRecord | None:
        """The record of one group."""
        return self._records.get(name)

    def update(self, listed: Sequence[GroupInfo], now: float, *, complete: bool) -> None:
        """Take over the groups that the brokers list.

        Args:
            listed: all of them.
            now: seconds since the epoch.
            complete: every broker answered, so that a group that isn't listed is gone.
        """
        seen = set()
        for info in listed:
            if self._wanted.search(info.name):
                seen.add(info.name)
                self._see(info, now)
        if complete:
            self._forgotten &= seen
        for name, record in list(self._records.items()):
            if self._is_forgotten(record, now):
                self._forgotten.add(name)
                del self._records[name]
            elif record.info.state == "dead" or (complete and name not in seen):
                del self._records[name]
        if list(self._records) != sorted(self._records):
            self._records = dict(sorted(self._records.items()))

    def with_commits(self) -> list[str]:
        """Names of the groups whose commits can be read."""
        return [name for name, record in self._records.items() if record.has_commits]

    def _see(self, info: GroupInfo, now: float) -> None:
        record = self._records.get(info.name)
        if info.name in self._forgotten:
            if info.state == "empty":
                return
            self._forgotten.discard(info.name)
        if record is None or record.has_commits != (info.type in _WITH_COMMITS):
            # (Who has its progress elsewhere is another group of the same name.)
            record = self._records[info.name] = GroupRecord(
                info,
                GroupJudge(self._settings.window_seconds),
                GroupColumns(),
                UncommittedWatch(self._settings.window_seconds),
                bool(self._read_committed and self._read_committed.search(info.name)),
                bool(self._ephemeral.search(info.name)),
            )
        record.info = info
        if record.has_members:
            record.empty_since, record.was_full = None, True
        else:
            # Who comes later begins anew.
            record.members = None
            record.watch.clear()
            if record.empty_since is None:
                record.empty_since = now

    def _is_forgotten(self, record: GroupRecord, now: float) -> bool:
        limit = (
            self._settings.forget_ephemeral_seconds
            if record.ephemeral
            else self._settings.forget_empty_seconds
        )
        return limit is not None and record.empty_since is not None and now - record.empty_since >= limit
