"""The lag families, under the names that existing dashboards know, and our own beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowtrail_collector.lag.metrics.lines import LineBook, column, escape, head
from flowtrail_collector.lag.model import GroupReading, PartitionTable
from flowtrail_collector.metrics.deflate import Piece

__all__ = [
    "group_families",
    "lost_lines",
    "pair_families",
    "pair_label",
    "partition_families",
    "topic_families",
    "topic_label",
]

_STATUS = (
    "0 ok, 1 rewound, 2 behind, 3 stalled, 4 stopped, 5 losing (records to retention), 6 beyond (the end of the log), "
    "7 uncommitted (holds partitions and has committed nothing there)"
)


def pair_label(group: str, topic: str, partition: int) -> str:
    """Labels of a partition's line."""
    return f'group="{group}",topic="{topic}",partition="{partition}"'


def topic_label(group: str, topic: str) -> str:
    """Labels of a topic's line."""
    return f'group="{group}",topic="{topic}"'


def pair_families(readings: Sequence[GroupReading], book: LineBook) -> Iterator[Piece]:
    """One line per group and partition."""
    name = "kafka_consumergroup_group_offset"
    yield book.text(head(name, "Last committed offset."))
    yield from (book.pairs(reading, name, reading.commits) for reading in readings)
    name = "kafka_consumergroup_group_lag"
    yield book.text(head(name, "Records between the committed offset and the end."))
    yield from (book.pairs(reading, name, reading.lags) for reading in readings)
    name = "kafka_consumergroup_group_lag_seconds"
    yield book.text(head(name, "How long the oldest unread record has waited."))
    yield from (book.pairs(reading, name, reading.seconds, decimals=2) for reading in readings)
    name = "flowtrail_group_partition_status"
    yield book.text(head(name, f"{_STATUS} (per partition)."))
    yield from (book.pairs(reading, name, reading.statuses) for reading in readings)


def partition_families(table: PartitionTable) -> Iterator[bytes]:
    """One line per partition."""
    topics = {topic: escape(topic) for topic, _ in table.names}
    labels = [f'topic="{topics[topic]}",partition="{number}"' for topic, number in table.names]
    name = "kafka_partition_latest_offset"
    yield column(name, "End of the partition (high watermark).", labels, table.ends)
    name = "kafka_partition_earliest_offset"
    yield column(name, "First offset of the partition.", labels, table.earliest)


def topic_families(readings: Sequence[GroupReading], book: LineBook) -> Iterator[Piece]:
    """One line per group and topic."""
    name = "kafka_consumergroup_group_topic_sum_lag"
    yield book.text(head(name, "Records behind on the topic; absent while a part of it isn't known."))
    yield from (book.topics(reading, name, reading.topics.sum_lags) for reading in readings)
    name = "flowtrail_group_topic_lag_at_least"
    yield book.text(
        head(name, "At least this many records behind on the topic: unknown partitions count as last seen.")
    )
    yield from (book.topics(reading, name, reading.topics.least_lags) for reading in readings)
    name = "flowtrail_group_topic_partitions"
    yield book.text(head(name, "Partitions of the topic that the group reads."))
    yield from (book.topics(reading, name, reading.topics.partitions) for reading in readings)
    name = "flowtrail_group_topic_known_partitions"
    yield book.text(head(name, "Partitions of the topic for which the group's lag is known."))
    yield from (book.topics(reading, name, reading.topics.known) for reading in readings)
    name = "flowtrail_group_topic_max_lag_seconds"
    yield book.text(head(name, "Longest wait of an unread record of the topic."))
    yield from (book.topics(reading, name, reading.topics.max_seconds, decimals=2) for reading in readings)
    name = "flowtrail_group_catch_up_seconds"
    yield book.text(head(name, "Time until the lag is worked off at current rates; +Inf: never."))
    for reading in readings:
        yield book.topics(reading, name, reading.topics.catch_up_seconds, decimals=2)
    name = "flowtrail_group_retention_margin_messages"
    yield book.text(head(name, "Records between the earliest offset and the commit nearest to it."))
    yield from (book.topics(reading, name, reading.topics.margins) for reading in readings)


def lost_lines(readings: Sequence[GroupReading], book: LineBook, *, by_topic: bool) -> Iterator[Piece]:
    """The one counter; its head differs between the two formats and is not among these lines."""
    name = "flowtrail_group_messages_lost_total"
    for reading in readings:
        lost = reading.topics.lost
        if by_topic:
            yield book.topics(reading, name, lost)
        else:
            yield book.text(
                f'{name}{{group="{escape(reading.group)}"}} {sum(lost)}\n'.encode("utf-8", "replace")
            )


def group_families(readings: Sequence[GroupReading]) -> Iterator[bytes]:
    """One line per group."""
    names = [f'group="{escape(reading.group)}"' for reading in readings]
    name = "kafka_consumergroup_group_sum_lag"
    about = "Records behind, all partitions; absent while a part of it isn't known."
    yield column(name, about, names, [r.sum_lag for r in readings])
    name = "kafka_consumergroup_group_max_lag"
    about = "Records behind, worst partition; absent while one isn't known."
    yield column(name, about, names, [r.max_lag for r in readings])
    name = "flowtrail_group_lag_at_least"
    about = "At least this many records behind: unknown partitions count as last seen."
    yield column(name, about, names, [r.least_lag for r in readings])
    name = "flowtrail_group_partitions"
    yield column(name, "Partitions that the group reads.", names, [r.partitions for r in readings])
    name = "flowtrail_group_known_partitions"
    about = "Partitions for which the group's lag is known."
    yield column(name, about, names, [r.known for r in readings])
    name = "kafka_consumergroup_group_max_lag_seconds"
    yield column(name, "Longest wait of an unread record.", names, [r.max_seconds for r in readings])
    name = "flowtrail_group_status"
    yield column(name, f"{_STATUS} (worst partition).", names, [r.status for r in readings])
    infos = [f'{label},type="{r.type}",state="{r.state}"' for label, r in zip(names, readings, strict=True)]
    name = "flowtrail_group_info"
    yield column(name, "Type and state of the group, always 1.", infos, [1] * len(readings))
    name = "flowtrail_group_members"
    yield column(name, "Members of the group.", names, [r.members for r in readings])
    yield from _uncommitted(readings, names)
    name = "flowtrail_group_orphaned_commits"
    yield column(name, "Commits for partitions that don't exist.", names, [r.orphans for r in readings])
    name = "flowtrail_group_read_at_seconds"
    about = "When the group's commits were last read, seconds since the epoch."
    yield column(name, about, names, [r.read_at for r in readings])


def _uncommitted(readings: Sequence[GroupReading], names: Sequence[str]) -> Iterator[bytes]:
    counts = [None if r.uncommitted is None else len(r.uncommitted.partitions) for r in readings]
    name = "flowtrail_group_uncommitted_partitions"
    yield column(name, "Partitions that a member holds without a commit.", names, counts)
    found = [(label, r.uncommitted) for label, r in zip(names, readings, strict=True) if r.uncommitted]
    some = [(label, uncommitted) for label, uncommitted in found if uncommitted.partitions]
    labels = [f'{label},start="{start}"' for label, _ in some for start in ("earliest", "latest")]
    numbers = [number for _, each in some for number in (each.from_earliest, each.from_latest)]
    name = "flowtrail_group_uncommitted_lag"
    about = "Unread records where nothing was committed, if the group started at the beginning or the end of the log."
    yield column(name, about, labels, numbers)
