"""The same figures under kafka_exporter's names, so that its dashboards and alerts go on working.

Source of names, labels and help texts: https://github.com/danielqsj/kafka_exporter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowtrail_collector.lag.metrics.lines import LineBook, column, escape, head
from flowtrail_collector.lag.model import GroupReading, PartitionTable
from flowtrail_collector.lag.ports import Topics
from flowtrail_collector.metrics.deflate import Piece

__all__ = ["cluster_families", "exporter_families", "exporter_pair_label", "exporter_topic_label"]


def exporter_pair_label(group: str, topic: str, partition: int) -> str:
    """Labels of a partition's line."""
    return f'consumergroup="{group}",partition="{partition}",topic="{topic}"'


def exporter_topic_label(group: str, topic: str) -> str:
    """Labels of a topic's line."""
    return f'consumergroup="{group}",topic="{topic}"'


def exporter_families(
    readings: Sequence[GroupReading], table: PartitionTable, book: LineBook, granularity: str
) -> Iterator[Piece]:
    """kafka_exporter's families, as fine as the granularity allows."""
    if granularity == "partition":
        yield from _pairs(readings, book)
        yield from (book.text(text) for text in _partitions(table))
    if granularity != "group":
        yield from _topics(readings, book)
    names = [f'consumergroup="{escape(reading.group)}"' for reading in readings]
    name, about = "kafka_consumergroup_members", "Amount of members in a consumer group"
    yield book.text(column(name, about, names, [reading.members for reading in readings]))


def cluster_families(topics: Topics, table: PartitionTable, *, by_partition: bool) -> Iterator[bytes]:
    """Brokers, and who leads and who holds each partition that is looked at.

    As kafka_exporter does, a partition without a leader has no `leader`, and isn't led by its preferred one.
    """
    layout = topics.layout()
    name, about = "kafka_brokers", "Number of Brokers in the Kafka Cluster."
    yield head(name, about) + f"{name} {len(layout.brokers)}\n".encode()
    addresses = [f'address="{escape(at)}",id="{node}"' for node, at in layout.brokers.items()]
    about = "Information about the Kafka Broker."
    yield column("kafka_broker_info", about, addresses, [1] * len(addresses))
    name = "kafka_exporter_build_info"
    about = "Version of the program that exports in place of kafka_exporter; always 1."
    from flowtrail import __version__  # the whole library, 7 MB, for those alone who want these names

    yield column(name, about, [f'version="flowtrail-{__version__}"'], [1])
    if not by_partition:
        return
    labels = [f'partition="{number}",topic="{escape(topic)}"' for topic, number in table.names]
    leaders = [topics.leaders.get(topic, {}).get(number, -1) for topic, number in table.names]
    held = [layout.replicas.get(place, ((), ())) for place in table.names]
    known = [bool(replicas) for replicas, _ in held]
    columns: dict[str, tuple[str, Sequence[int | None]]] = {
        "leader": ("Leader Broker ID of this Topic/Partition", [at if at >= 0 else None for at in leaders]),
        "replicas": ("Number of Replicas for this Topic/Partition", [len(all_) for all_, _ in held]),
        "in_sync_replica": (
            "Number of In-Sync Replicas for this Topic/Partition", [len(in_sync) for _, in_sync in held]
        ),
        "leader_is_preferred": (
            "1 if Topic/Partition is using the Preferred Broker",
            [int(all_[:1] == (at,)) for (all_, _), at in zip(held, leaders, strict=True)],
        ),
        "under_replicated_partition": (
            "1 if Topic/Partition is under Replicated", [int(len(in_sync) < len(all_)) for all_, in_sync in held]
        ),
    }  # fmt: skip
    for name, (about, values) in columns.items():
        shown = [value if there else None for value, there in zip(values, known, strict=True)]
        yield column(f"kafka_topic_partition_{name}", about, labels, shown)


def _pairs(readings: Sequence[GroupReading], book: LineBook) -> Iterator[Piece]:
    name = "kafka_consumergroup_current_offset"
    yield book.text(head(name, "Current Offset of a ConsumerGroup at Topic/Partition"))
    yield from (book.pairs(reading, name, reading.commits) for reading in readings)
    name = "kafka_consumergroup_lag"
    yield book.text(head(name, "Current Approximate Lag of a ConsumerGroup at Topic/Partition"))
    yield from (book.pairs(reading, name, reading.lags) for reading in readings)


def _partitions(table: PartitionTable) -> Iterator[bytes]:
    topics: dict[str, int] = {}
    for topic, _ in table.names:
        topics[topic] = topics.get(topic, 0) + 1
    names = [f'topic="{escape(topic)}"' for topic in topics]
    yield column("kafka_topic_partitions", "Number of partitions for this Topic", names, topics.values())
    labels = [f'partition="{number}",topic="{escape(topic)}"' for topic, number in table.names]
    name = "kafka_topic_partition_current_offset"
    yield column(name, "Current Offset of a Broker at Topic/Partition", labels, table.ends)
    name = "kafka_topic_partition_oldest_offset"
    yield column(name, "Oldest Offset of a Broker at Topic/Partition", labels, table.earliest)


def _topics(readings: Sequence[GroupReading], book: LineBook) -> Iterator[Piece]:
    name = "kafka_consumergroup_lag_sum"
    yield book.text(head(name, "Current Approximate Lag of a ConsumerGroup at Topic for all partitions"))
    yield from (book.topics(reading, name, reading.topics.sum_lags) for reading in readings)
    name = "kafka_consumergroup_current_offset_sum"
    yield book.text(head(name, "Current Offset of a ConsumerGroup at Topic for all partitions"))
    for reading in readings:
        offsets = [sum(reading.commits[part.start : part.stop]) for part in reading.slices]
        yield book.topics(reading, name, offsets)
