"""Lag metrics: rendered once per cycle by the poller, only joined by a scrape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from flowtrail_collector.domain.lag import GroupReading, PartitionTable
from flowtrail_collector.metrics.lag_lines import GroupLines, escape, head

__all__ = ["CycleFigures", "Granularity", "LagPage"]

Granularity = Literal["partition", "topic", "group"]


@dataclass(frozen=True, slots=True)
class CycleFigures:
    """What the poller says about its last cycle.

    Attributes:
        ended_at: seconds since the epoch.
        duration: seconds from the first request to the finished page (of the cycle before: this one's page
            isn't finished while it is written).
        errors: failures so far, by scope.
        failing: what fails at present, by scope.
    """

    ended_at: float
    duration: float
    cycles: int
    groups: int
    pairs: int
    errors: dict[str, int]
    failing: dict[str, int]


def _pair_label(group: str, topic: str, partition: int) -> str:
    return f'group="{group}",topic="{topic}",partition="{partition}"'


def _topic_label(group: str, topic: str) -> str:
    return f'group="{group}",topic="{topic}"'


def _compat_pair_label(group: str, topic: str, partition: int) -> str:
    return f'consumergroup="{group}",partition="{partition}",topic="{topic}"'


def _compat_topic_label(group: str, topic: str) -> str:
    return f'consumergroup="{group}",topic="{topic}"'


class LagPage:
    """The lag part of `/metrics`, a `RenderedSource`.

    `publish` is called by the poller's thread, everything else by any.

    Args:
        granularity: `partition` shows all; `topic` and `group` leave the finer series out.
        compat: other exporters' names to show as well (`kafka_exporter`).
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        granularity: Granularity = "partition",
        compat: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._granularity = granularity
        self._kafka_exporter = "kafka_exporter" in compat
        self._clock = clock
        self._lines: dict[str, GroupLines] = {}
        self._compat_lines: dict[str, GroupLines] = {}
        # One reference, replaced as a whole: a scrape sees one cycle, never a mixture.
        self._page: tuple[list[bytes], bytes, CycleFigures | None] = ([], b"", None)

    def publish(
        self,
        readings: Sequence[GroupReading],
        table: PartitionTable,
        figures: CycleFigures,
    ) -> None:
        """Render a cycle."""
        lines = self._prepared(self._lines, readings, _pair_label, _topic_label)
        body = [chunk for chunk in self._body(readings, table, lines) if chunk]
        lost = b"".join(self._lost(readings, lines))
        self._page = (body, lost, figures)

    def chunks(self, openmetrics: bool) -> list[bytes]:
        """The page in pieces, none of which is copied."""
        body, lost, figures = self._page
        if figures is None:
            return []
        name = "flowtrail_group_messages_lost" + ("" if openmetrics else "_total")
        lost_head = head(name, "Records that retention removed before the group read them.", "counter")
        return [_about(figures, self._clock(), openmetrics=openmetrics), lost_head, lost, *body]

    def text(self, openmetrics: bool) -> bytes:
        """The page in one piece."""
        return b"".join(self.chunks(openmetrics))

    def _body(
        self, readings: Sequence[GroupReading], table: PartitionTable, lines: dict[str, GroupLines]
    ) -> Iterator[bytes]:
        if self._granularity == "partition":
            yield from _pairs(readings, lines)
            yield from _partitions(table)
        if self._granularity != "group":
            yield from _topics(readings, lines)
        yield from _groups(readings)
        if self._kafka_exporter:
            lines = self._prepared(self._compat_lines, readings, _compat_pair_label, _compat_topic_label)
            if self._granularity == "partition":
                yield from _compat_partitions(readings, table, lines)
            if self._granularity != "group":
                yield from _compat_topics(readings, lines)
            names = [f'consumergroup="{escape(r.group)}"' for r in readings]
            members = [r.members for r in readings]
            yield _column(
                "kafka_consumergroup_members", "Amount of members in a consumer group", names, members
            )

    def _lost(self, readings: Sequence[GroupReading], lines: dict[str, GroupLines]) -> Iterator[bytes]:
        name = "flowtrail_group_messages_lost_total"
        for reading in readings:
            if self._granularity == "group":
                yield f'{name}{{group="{escape(reading.group)}"}} {sum(reading.topics.lost)}\n'.encode()
            else:
                yield lines[reading.group].topics.render(name, reading.topics.lost)

    def _prepared(
        self,
        lines: dict[str, GroupLines],
        readings: Sequence[GroupReading],
        pair_label: Callable[[str, str, int], str],
        topic_label: Callable[[str, str], str],
    ) -> dict[str, GroupLines]:
        for reading in readings:
            known = lines.get(reading.group)
            if known is None:
                known = lines[reading.group] = GroupLines(pair_label, topic_label)
            known.prepare(reading, with_pairs=self._granularity == "partition")
        if len(lines) > len(readings):
            for gone in lines.keys() - {reading.group for reading in readings}:
                del lines[gone]
        return lines


def _about(figures: CycleFigures, now: float, *, openmetrics: bool) -> bytes:
    """What the poller says about itself, with the age as of now."""
    prefix = "flowtrail_collector_lag"
    suffix = "" if openmetrics else "_total"
    gauges = {
        "age_seconds": ("Age of the lag figures shown here.", max(0.0, now - figures.ended_at)),
        "cycle_seconds": ("Duration of the last finished collection.", figures.duration),
        "groups": ("Groups looked at.", figures.groups),
        "pairs": ("Committed (group, partition) pairs looked at.", figures.pairs),
    }
    text = [
        head(f"{prefix}_{name}", about).decode() + f"{prefix}_{name} {value:.10g}\n"
        for name, (about, value) in gauges.items()
    ]
    text.append(head(f"{prefix}_failing", "What could not be read in the last collection.").decode())
    text += [f'{prefix}_failing{{scope="{scope}"}} {n}\n' for scope, n in figures.failing.items()]
    text.append(head(f"{prefix}_cycles{suffix}", "Collections so far.", "counter").decode())
    text.append(f"{prefix}_cycles_total {figures.cycles}\n")
    text.append(head(f"{prefix}_errors{suffix}", "Reads that failed so far.", "counter").decode())
    text += [f'{prefix}_errors_total{{scope="{scope}"}} {n}\n' for scope, n in figures.errors.items()]
    return "".join(text).encode()


_STATUS = (
    "0 ok, 1 rewound, 2 falling behind, 3 stalled, 4 stopped, 5 losing records to retention, "
    "6 committed past the end"
)


def _groups(readings: Sequence[GroupReading]) -> Iterator[bytes]:
    names = [f'group="{escape(r.group)}"' for r in readings]
    kafka = "kafka_consumergroup_group"
    yield _column(f"{kafka}_sum_lag", "Records behind, all partitions.", names, [r.sum_lag for r in readings])
    yield _column(
        f"{kafka}_max_lag", "Records behind, worst partition.", names, [r.max_lag for r in readings]
    )
    yield _column(f"{kafka}_max_lag_seconds", "Longest wait of an unread record.", names,
                  [r.max_seconds for r in readings])  # fmt: skip
    ours = "flowtrail_group"
    yield _column(f"{ours}_status", f"{_STATUS} (worst partition).", names, [r.status for r in readings])
    infos = [f'{name},type="{r.type}",state="{r.state}"' for name, r in zip(names, readings, strict=True)]
    yield _column(f"{ours}_info", "Type and state of the group, always 1.", infos, [1] * len(readings))
    yield _column(f"{ours}_members", "Members of the group.", names, [r.members for r in readings])
    yield _column(f"{ours}_uncommitted_partitions", "Partitions a member holds without any commit.", names,
                  [r.uncommitted for r in readings])  # fmt: skip
    yield _column(f"{ours}_orphaned_commits", "Commits for partitions that do not exist.", names,
                  [r.orphans for r in readings])  # fmt: skip
    yield _column(f"{ours}_read_at_seconds", "When the group's commits were last read (Unix time).", names,
                  [r.read_at for r in readings])  # fmt: skip


def _pairs(readings: Sequence[GroupReading], lines: dict[str, GroupLines]) -> Iterator[bytes]:
    name = "kafka_consumergroup_group_offset"
    yield head(name, "Last committed offset.")
    yield from (lines[r.group].pairs.render(name, r.commits) for r in readings)
    name = "kafka_consumergroup_group_lag"
    yield head(name, "Records between the committed offset and the end.")
    yield from (lines[r.group].pairs.render(name, r.lags) for r in readings)
    name = "kafka_consumergroup_group_lag_seconds"
    yield head(name, "How long the oldest unread record has waited.")
    yield from (lines[r.group].pairs.render(name, r.seconds, decimals=2) for r in readings)
    name = "flowtrail_group_partition_status"
    yield head(name, f"{_STATUS} (per partition).")
    yield from (lines[r.group].pairs.render(name, r.statuses) for r in readings)


def _topics(readings: Sequence[GroupReading], lines: dict[str, GroupLines]) -> Iterator[bytes]:
    name = "kafka_consumergroup_group_topic_sum_lag"
    yield head(name, "Records behind on the topic.")
    yield from (lines[r.group].topics.render(name, r.topics.sum_lags) for r in readings)
    name = "flowtrail_group_topic_max_lag_seconds"
    yield head(name, "Longest wait of an unread record of the topic.")
    yield from (lines[r.group].topics.render(name, r.topics.max_seconds, decimals=2) for r in readings)
    name = "flowtrail_group_catch_up_seconds"
    yield head(name, "Time until the lag is worked off at present rates; +Inf: never.")
    yield from (lines[r.group].topics.render(name, r.topics.catch_up_seconds, decimals=2) for r in readings)
    name = "flowtrail_group_retention_margin_messages"
    yield head(name, "Records between the earliest offset and the commit that is nearest to it.")
    yield from (lines[r.group].topics.render(name, r.topics.margins) for r in readings)


def _compat_partitions(
    readings: Sequence[GroupReading], table: PartitionTable, lines: dict[str, GroupLines]
) -> Iterator[bytes]:
    name = "kafka_consumergroup_current_offset"
    yield head(name, "Current Offset of a ConsumerGroup at Topic/Partition")
    yield from (lines[r.group].pairs.render(name, r.commits) for r in readings)
    name = "kafka_consumergroup_lag"
    yield head(name, "Current Approximate Lag of a ConsumerGroup at Topic/Partition")
    yield from (lines[r.group].pairs.render(name, r.lags) for r in readings)
    labels = [f'partition="{number}",topic="{escape(topic)}"' for topic, number in table.names]
    name = "kafka_topic_partition_current_offset"
    yield _column(name, "Current Offset of a Broker at Topic/Partition", labels, table.ends)
    name = "kafka_topic_partition_oldest_offset"
    yield _column(name, "Oldest Offset of a Broker at Topic/Partition", labels, table.earliest)


def _compat_topics(readings: Sequence[GroupReading], lines: dict[str, GroupLines]) -> Iterator[bytes]:
    name = "kafka_consumergroup_lag_sum"
    yield head(name, "Current Approximate Lag of a ConsumerGroup at Topic for all partitions")
    yield from (lines[r.group].topics.render(name, r.topics.sum_lags) for r in readings)
    name = "kafka_consumergroup_current_offset_sum"
    yield head(name, "Current Offset of a ConsumerGroup at Topic for all partitions")
    for reading in readings:
        offsets = [sum(reading.commits[part.start : part.stop]) for part in reading.slices]
        yield lines[reading.group].topics.render(name, offsets)


def _partitions(table: PartitionTable) -> Iterator[bytes]:
    topics = {topic: escape(topic) for topic, _ in table.names}
    labels = [f'topic="{topics[topic]}",partition="{number}"' for topic, number in table.names]
    yield _column(
        "kafka_partition_latest_offset", "End of the partition (high watermark).", labels, table.ends
    )
    yield _column("kafka_partition_earliest_offset", "First offset of the partition.", labels, table.earliest)


def _column(name: str, about: str, labels: Iterable[str], values: Iterable[float | None]) -> bytes:
    lines = [
        f"{name}{{{label}}} {_number(value)}\n"
        for label, value in zip(labels, values, strict=True)
        if value is not None
    ]
    return b"".join((head(name, about), "".join(lines).encode()))


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{int(value)}"
    return f"{value:.3f}"
