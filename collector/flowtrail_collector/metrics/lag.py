"""Lag metrics: rendered once per cycle by the poller, only joined by a scrape."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from flowtrail_collector.domain.lag import GroupReading, PartitionTable, TopicReading
from flowtrail_collector.metrics.lag_lines import GroupLines, escape

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


def _label(group: str, topic: str, partition: int) -> str:
    return f'group="{group}",topic="{topic}",partition="{partition}"'


def _compat_label(group: str, topic: str, partition: int) -> str:
    return f'consumergroup="{group}",partition="{partition}",topic="{topic}"'


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
        self._page: tuple[list[bytes], list[bytes], CycleFigures | None] = ([], [], None)

    def publish(
        self,
        readings: Sequence[GroupReading],
        table: PartitionTable,
        figures: CycleFigures,
    ) -> None:
        """Render a cycle."""
        body = [chunk for chunk in self._body(readings, table) if chunk]
        counters = [self._lost(readings, openmetrics=False), self._lost(readings, openmetrics=True)]
        self._page = (body, counters, figures)

    def chunks(self, openmetrics: bool) -> list[bytes]:
        """The page in pieces, none of which is copied."""
        body, counters, figures = self._page
        if figures is None:
            return []
        return [self._about(figures, openmetrics), counters[openmetrics], *body]

    def text(self, openmetrics: bool) -> bytes:
        """The page in one piece."""
        return b"".join(self.chunks(openmetrics))

    def _body(self, readings: Sequence[GroupReading], table: PartitionTable) -> Iterator[bytes]:
        if self._granularity == "partition":
            yield from self._pairs(readings)
            yield from _partitions(table)
        if self._granularity != "group":
            yield from _topics(readings)
        yield from _groups(readings)
        if self._kafka_exporter:
            yield from self._compat(readings, table)

    def _pairs(self, readings: Sequence[GroupReading]) -> Iterator[bytes]:
        lines = self._prepared(self._lines, readings, _label)
        name = "kafka_consumergroup_group_offset"
        yield _head(name, "Last committed offset.")
        yield from (lines[r.group].render(name, r.commits) for r in readings)
        name = "kafka_consumergroup_group_lag"
        yield _head(name, "Records between the committed offset and the end.")
        yield from (lines[r.group].render(name, r.lags) for r in readings)
        name = "kafka_consumergroup_group_lag_seconds"
        yield _head(name, "How long the oldest unread record has waited.")
        yield from (lines[r.group].render(name, r.seconds, seconds=True) for r in readings)
        name = "flowtrail_group_partition_status"
        yield _head(name, f"{_STATUS} (per partition).")
        yield from (lines[r.group].render(name, r.statuses) for r in readings)

    def _compat(self, readings: Sequence[GroupReading], table: PartitionTable) -> Iterator[bytes]:
        if self._granularity == "partition":
            lines = self._prepared(self._compat_lines, readings, _compat_label)
            name = "kafka_consumergroup_current_offset"
            yield _head(name, "Current Offset of a ConsumerGroup at Topic/Partition")
            yield from (lines[r.group].render(name, r.commits) for r in readings)
            name = "kafka_consumergroup_lag"
            yield _head(name, "Current Approximate Lag of a ConsumerGroup at Topic/Partition")
            yield from (lines[r.group].render(name, r.lags) for r in readings)
            name = "kafka_topic_partition_current_offset"
            labels = [f'partition="{number}",topic="{escape(topic)}"' for topic, number in table.names]
            yield _column(name, "Current Offset of a Broker at Topic/Partition", labels, table.ends)
            name = "kafka_topic_partition_oldest_offset"
            yield _column(name, "Oldest Offset of a Broker at Topic/Partition", labels, table.earliest)
        names = [f'consumergroup="{escape(r.group)}"' for r in readings]
        yield _column("kafka_consumergroup_members", "Amount of members in a consumer group", names,
                      [r.members for r in readings])  # fmt: skip
        if self._granularity == "group":
            return
        labels, lags, offsets = [], [], []
        for reading, name in zip(readings, names, strict=True):
            for part, topic in zip(reading.slices, reading.topics, strict=True):
                labels.append(f'{name},topic="{escape(part.topic)}"')
                lags.append(topic.sum_lag)
                offsets.append(sum(reading.commits[part.start : part.stop]))
        about = "Current {} of a ConsumerGroup at Topic for all partitions"
        yield _column("kafka_consumergroup_lag_sum", about.format("Approximate Lag"), labels, lags)
        yield _column("kafka_consumergroup_current_offset_sum", about.format("Offset"), labels, offsets)

    def _prepared(
        self,
        lines: dict[str, GroupLines],
        readings: Sequence[GroupReading],
        label: Callable[[str, str, int], str],
    ) -> dict[str, GroupLines]:
        for reading in readings:
            known = lines.get(reading.group)
            if known is None:
                known = lines[reading.group] = GroupLines(label)
            known.prepare(reading)
        if len(lines) > len(readings):
            for gone in lines.keys() - {reading.group for reading in readings}:
                del lines[gone]
        return lines

    def _lost(self, readings: Sequence[GroupReading], *, openmetrics: bool) -> bytes:
        name = "flowtrail_group_messages_lost"
        about = "Records that retention removed before the group read them."
        head = _head(name if openmetrics else f"{name}_total", about, "counter").decode()
        if self._granularity == "group":
            rows = [(f'group="{escape(r.group)}"', sum(t.lost for t in r.topics)) for r in readings]
        else:
            rows = [(_topic_label(r, t), t.lost) for r in readings for t in r.topics]
        return (head + "".join(f"{name}_total{{{labels}}} {lost}\n" for labels, lost in rows)).encode()

    def _about(self, figures: CycleFigures, openmetrics: bool) -> bytes:
        """What the poller does, with the age as of now."""
        prefix = "flowtrail_collector_lag"
        gauges = {
            "age_seconds": ("Age of the lag figures shown here.", max(0.0, self._clock() - figures.ended_at)),
            "cycle_seconds": ("Duration of the last finished collection.", figures.duration),
            "groups": ("Groups looked at.", figures.groups),
            "pairs": ("Committed (group, partition) pairs looked at.", figures.pairs),
        }
        text = [
            f"# HELP {prefix}_{name} {about}\n# TYPE {prefix}_{name} gauge\n{prefix}_{name} {value:.10g}\n"
            for name, (about, value) in gauges.items()
        ]
        text.append(_head(f"{prefix}_failing", "What could not be read in the last collection.").decode())
        text += [f'{prefix}_failing{{scope="{scope}"}} {n}\n' for scope, n in figures.failing.items()]
        suffix = "" if openmetrics else "_total"
        text.append(_head(f"{prefix}_cycles{suffix}", "Collections so far.", "counter").decode())
        text.append(f"{prefix}_cycles_total {figures.cycles}\n")
        text.append(_head(f"{prefix}_errors{suffix}", "Reads that failed so far.", "counter").decode())
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
    yield _column(f"{ours}_status", f"{_STATUS} (worst partition).", names, [int(r.status) for r in readings])
    infos = [f'{name},type="{r.type}",state="{r.state}"' for name, r in zip(names, readings, strict=True)]
    yield _column(f"{ours}_info", "Type and state of the group, always 1.", infos, [1] * len(readings))
    yield _column(f"{ours}_members", "Members of the group.", names, [r.members for r in readings])
    yield _column(f"{ours}_uncommitted_partitions", "Partitions a member holds without any commit.", names,
                  [r.uncommitted for r in readings])  # fmt: skip
    yield _column(f"{ours}_orphaned_commits", "Commits for partitions that do not exist.", names,
                  [r.orphans for r in readings])  # fmt: skip
    yield _column(f"{ours}_read_at_seconds", "When the group's commits were last read (Unix time).", names,
                  [r.read_at for r in readings])  # fmt: skip


def _topics(readings: Sequence[GroupReading]) -> Iterator[bytes]:
    topics: list[TopicReading] = [topic for reading in readings for topic in reading.topics]
    labels = [_topic_label(reading, topic) for reading in readings for topic in reading.topics]
    yield _column("kafka_consumergroup_group_topic_sum_lag", "Records behind on the topic.",
                  labels, [topic.sum_lag for topic in topics])  # fmt: skip
    yield _column("flowtrail_group_topic_max_lag_seconds", "Longest wait of an unread record of the topic.",
                  labels, [topic.max_seconds for topic in topics])  # fmt: skip
    yield _column("flowtrail_group_catch_up_seconds",
                  "Time until the lag is worked off at present rates; +Inf: never.",
                  labels, [topic.catch_up_seconds for topic in topics])  # fmt: skip
    yield _column("flowtrail_group_retention_margin_messages",
                  "Records between the earliest offset and the commit that is nearest to it.",
                  labels, [topic.margin for topic in topics])  # fmt: skip


def _partitions(table: PartitionTable) -> Iterator[bytes]:
    topics = {topic: escape(topic) for topic, _ in table.names}
    labels = [f'topic="{topics[topic]}",partition="{number}"' for topic, number in table.names]
    yield _column(
        "kafka_partition_latest_offset", "End of the partition (high watermark).", labels, table.ends
    )
    yield _column("kafka_partition_earliest_offset", "First offset of the partition.", labels, table.earliest)


def _topic_label(reading: GroupReading, topic: TopicReading) -> str:
    return f'group="{escape(reading.group)}",topic="{escape(topic.topic)}"'


def _head(name: str, about: str, kind: str = "gauge") -> bytes:
    return f"# HELP {name} {about}\n# TYPE {name} {kind}\n".encode()


def _column(name: str, about: str, labels: Iterable[str], values: Iterable[float | None]) -> bytes:
    lines = [
        f"{name}{{{label}}} {_number(value)}\n"
        for label, value in zip(labels, values, strict=True)
        if value is not None
    ]
    return b"".join((_head(name, about), "".join(lines).encode()))


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return "+Inf" if math.isinf(value) else f"{value:.3f}"
