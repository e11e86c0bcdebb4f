"""A group's figures as the API answers them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flowtrail_collector.lag.model import (
    NOTHING_UNCOMMITTED,
    GroupReading,
    Status,
    TopicSlice,
    TopicSums,
    Uncommitted,
    UncommittedPartition,
    status_of,
)
from flowtrail_collector.lag.words import status_words, verdict_words
from flowtrail_collector.units import iso_time_seconds

__all__ = ["group_json", "partitions_json"]


def group_json(reading: GroupReading, age_seconds: float | None) -> dict[str, Any]:
    """A group with its topics.

    Args:
        reading: Its figures.
        age_seconds: How old they are; None where they are of now.
    """
    topics, status = reading.topics, _status(reading.status)
    return {
        "group": reading.group,
        "type": reading.type,
        "state": reading.state,
        "status": status,
        "verdict": verdict_words(status, reading.members, reading.type, age_seconds) or None,
        "says": status_words(status, reading.members, reading.type) or None,
        "age_seconds": None if age_seconds is None else round(age_seconds, 1),
        "members": reading.members,
        "lag": reading.sum_lag,
        "max_lag": reading.max_lag,
        "lag_seconds": _rounded(reading.max_seconds),
        # How it went before it couldn't be read any more says nothing of when it will have caught up.
        "catch_up_seconds": None if age_seconds is not None else _slowest(topics.catch_up_seconds),
        "catching_up": None if age_seconds is not None else _catching_up(topics.catch_up_seconds),
        "messages_lost": sum(topics.lost),
        "lag_at_least": reading.least_lag,
        "partitions_read": reading.partitions,
        "known_partitions": reading.known,
        **_uncommitted(reading.uncommitted),
        "orphaned_commits": reading.orphans,
        "read_at": None if reading.read_at is None else iso_time_seconds(reading.read_at),
        "topics": [
            _topic(part, topics, i, is_old=age_seconds is not None) for i, part in enumerate(reading.slices)
        ],
    }


def _topic(part: TopicSlice, sums: TopicSums, i: int, *, is_old: bool) -> dict[str, Any]:
    return {
        "topic": part.topic,
        "partitions": sums.partitions[i],
        "known_partitions": sums.known[i],
        "status": _status(sums.statuses[i]),
        "lag": sums.sum_lags[i],
        "lag_at_least": sums.least_lags[i],
        "lag_seconds": _rounded(sums.max_seconds[i]),
        "catch_up_seconds": None if is_old else _finite(sums.catch_up_seconds[i]),
        "catching_up": None if is_old else _catching_up([sums.catch_up_seconds[i]]),
        "consumed_per_second": _rounded(sums.consumed_per_second[i]),
        "produced_per_second": _rounded(sums.produced_per_second[i]),
        "retention_margin": sums.margins[i],
        "messages_lost": sums.lost[i],
    }


def partitions_json(reading: GroupReading) -> list[dict[str, Any]]:
    """Each partition that the group has committed or holds."""
    columns = zip(
        reading.pairs,
        reading.commits,
        reading.ends,
        reading.lags,
        reading.seconds,
        reading.statuses,
        strict=True,
    )
    return [
        {
            "topic": topic,
            "partition": partition,
            "offset": commit,
            "end": end,
            "lag": lag,
            "lag_seconds": _rounded(waited),
            "status": _status(status_of(status)),
        }
        for (topic, partition), commit, end, lag, waited, status in columns
    ] + [_uncommitted_partition(each) for each in (reading.uncommitted or NOTHING_UNCOMMITTED).partitions]


def _uncommitted_partition(each: UncommittedPartition) -> dict[str, Any]:
    nothing = each.from_earliest == 0
    return {
        "topic": each.topic,
        "partition": each.partition,
        "offset": None,
        "end": each.end,
        "lag": 0 if nothing else None,
        "lag_seconds": 0.0 if nothing else None,
        "status": _status(each.status),
    }


def _uncommitted(held: Uncommitted | None) -> dict[str, Any]:
    """How many partitions are held without a commit, and how much is unread there from either end."""
    some = held is not None and len(held.partitions) > 0
    return {
        "uncommitted_partitions": None if held is None else len(held.partitions),
        "uncommitted_lag": {"earliest": held.from_earliest, "latest": held.from_latest}
        if held and some
        else None,
    }


def _slowest(times: Sequence[float | None]) -> float | None:
    if not times or any(seconds is None for seconds in times):
        return None
    return _finite(max(seconds for seconds in times if seconds is not None))


def _catching_up(times: Sequence[float | None]) -> bool | None:
    """Whether all lag will be worked off at present rates; None if that isn't known yet."""
    if any(seconds == math.inf for seconds in times):
        return False
    return None if None in times or not times else True


def _status(status: Status | None) -> str | None:
    return None if status is None else status.name.lower()


def _finite(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else round(seconds, 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
