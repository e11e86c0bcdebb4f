"""kafka_exporter's families on two real brokers: each value is held to what was done, and to kafka-python's metadata."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka import TopicPartition as Place
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from flowtrail import __version__
from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.lag import LagPoller, LagSettings
from lagkit import SecondBroker, SlowProxy
from pagekit import MetricsPage
from servers import KafkaServer
from waiting import scaled, until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

HELD_BY = {"here": {0: [1]}, "both": {0: [1, 2], 1: [2, 1]}, "away": {0: [2]}}
WRITTEN = {("here", 0): 7, ("both", 0): 5, ("both", 1): 9, ("away", 0): 4}
CUT = {("here", 0): 3}
COMMITTED = {
    "billing": {("here", 0): 4, ("both", 0): 5, ("both", 1): 2, ("away", 0): 1},
    "mail": {("both", 0): 0, ("both", 1): 9},
    "reader": {("here", 0): 6},
}
MEMBERS = {"billing": 0, "mail": 0, "reader": 1}

Labels = tuple[tuple[str, str], ...]
Expected = dict[str, dict[Labels, float]]


@pytest.fixture
def second(kafka_server: Callable[..., KafkaServer], tmp_path: Path) -> Iterator[tuple[str, SecondBroker]]:
    """Two brokers; groups and their commits are the first one's."""
    first = kafka_server()
    with closing(SlowProxy()) as proxy:
        second = SecondBroker(tmp_path / "second", first, proxy)
        second.start()
        yield first.bootstrap_servers, second
        second.kill()


def fill(bootstrap: str, admin: KafkaAdminClient) -> Consumer:
    """Write, cut and commit; the member that stays."""
    admin.create_topics([NewTopic(name, replica_assignments=held) for name, held in HELD_BY.items()])
    admin.wait_for_topics(list(HELD_BY))
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for (topic, number), count in WRITTEN.items():
        for _ in range(count):
            producer.produce(topic, b"x", partition=number)
    assert producer.flush(scaled(20)) == 0
    admin.delete_records({Place(*place): start for place, start in CUT.items()})
    for group, commits in COMMITTED.items():
        member = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
        if MEMBERS[group]:
            member.subscribe(["here"])
            until(lambda member=member: member.poll(0.1) or member.assignment())
        offsets = [TopicPartition(*place, at) for place, at in commits.items()]
        member.commit(offsets=offsets, asynchronous=False)
        if not MEMBERS[group]:
            member.close()
    return member


def about_cluster(
    bootstrap: str, second: SecondBroker, topics: dict[str, dict[int, dict[str, object]]]
) -> Expected:
    """What the metadata of another client says."""
    brokers = {"1": bootstrap, "2": f"127.0.0.1:{second.listed_port}"}
    there = {node: at for node, at in brokers.items() if node == "1" or second.running}
    found: Expected = {
        "kafka_brokers": {(): len(there)},
        "kafka_broker_info": {(("address", at), ("id", node)): 1 for node, at in there.items()},
        "kafka_exporter_build_info": {(("version", f"flowtrail-{__version__}"),): 1},
        "kafka_topic_partitions": {(("topic", topic),): len(held) for topic, held in HELD_BY.items()},
    }
    for topic, partitions in topics.items():
        for number, told in partitions.items():
            where = labels(topic, number)
            leader, replicas, in_sync = int(told["leader"]), told["replicas"], told["in_sync"]  # type: ignore[call-overload]
            assert replicas == HELD_BY[topic][number]
            figures = {
                "leader": leader if leader >= 0 else None,
                "replicas": len(replicas),
                "in_sync_replica": len(in_sync),  # type: ignore[arg-type]
                "leader_is_preferred": int(leader == replicas[0]),
                "under_replicated_partition": int(len(in_sync) < len(replicas)),  # type: ignore[arg-type]
            }
            for family, value in figures.items():
                if value is not None:
                    found.setdefault(f"kafka_topic_partition_{family}", {})[where] = value
    return found


def about_offsets(known: set[tuple[str, int]]) -> Expected:
    """What follows from what was written and committed, where a leader tells the ends of these partitions."""
    current, oldest, offsets, lags, offset_sums, lag_sums = ({} for _ in range(6))  # type: ignore[var-annotated]
    for place, end in WRITTEN.items():
        oldest[labels(*place)] = CUT.get(place, 0)
        if place in known:
            current[labels(*place)] = end
    for group, commits in COMMITTED.items():
        behind: dict[str, list[int | None]] = {}
        for place, at in commits.items():
            offsets[labels(*place, group)] = at
            lag = WRITTEN[place] - at if place in known else None
            behind.setdefault(place[0], []).append(lag)
            if lag is not None:
                lags[labels(*place, group)] = lag
        for topic, each in behind.items():
            where = (("consumergroup", group), ("topic", topic))
            offset_sums[where] = sum(at for place, at in commits.items() if place[0] == topic)
            if None not in each:
                lag_sums[where] = sum(lag or 0 for lag in each)
    return {
        "kafka_topic_partition_current_offset": current,
        "kafka_topic_partition_oldest_offset": oldest,
        "kafka_consumergroup_current_offset": offsets,
        "kafka_consumergroup_current_offset_sum": offset_sums,
        "kafka_consumergroup_lag": lags,
        "kafka_consumergroup_lag_sum": lag_sums,
        "kafka_consumergroup_members": {(("consumergroup", name),): n for name, n in MEMBERS.items()},
    }


def labels(topic: str, number: int, group: str | None = None) -> Labels:
    return tuple(
        sorted(
            {"topic": topic, "partition": str(number), **({"consumergroup": group} if group else {})}.items()
        )
    )


def metadata(admin: KafkaAdminClient) -> dict[str, dict[int, dict[str, object]]]:
    """Leader, replicas and in-sync replicas of each partition, through kafka-python; its broker may just have gone."""

    def topics() -> list[dict[str, Any]] | None:
        with suppress(KafkaError):
            return admin.describe_topics(list(HELD_BY))  # type: ignore[no-any-return]
        return None

    return {
        topic["name"]: {
            part["partition_index"]: {
                "leader": part["leader_id"], "replicas": part["replica_nodes"], "in_sync": part["isr_nodes"],
            }
            for part in topic["partitions"]
        }
        for topic in until(topics)
    }  # fmt: skip


def shown(poller: LagPoller) -> Expected:
    """The page's families of kafka_exporter."""
    poller.collect()
    page = MetricsPage(poller.metrics.text(openmetrics=False).decode())
    ours = ("kafka_consumergroup_group_", "kafka_partition_")
    found: Expected = {}
    for (name, where), value in page.values.items():
        if name.startswith("kafka_") and not name.startswith(ours):
            found.setdefault(name, {})[where] = value
    return found


def test_every_family_says_what_is_true(second: tuple[str, SecondBroker]) -> None:
    bootstrap, broker = second
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    member = fill(bootstrap, admin)
    connection = read_connection(bootstrap, environ={})
    poller = LagPoller(
        KafkaLagSource(connection),
        LagSettings(compat=("kafka_exporter",), slow_seconds=0.1, timeout_seconds=5),
        prober=KafkaRecordProber(connection),
    )

    def is_right() -> bool:
        topics = metadata(admin)
        known = {
            (topic, n) for topic, parts in topics.items() for n, told in parts.items() if told["leader"] != -1
        }
        expected = about_cluster(bootstrap, broker, topics) | about_offsets(known)
        page = shown(poller)
        poller.collection.widen(0)
        differences.clear()
        differences.update(
            {
                name: (page.get(name), expected.get(name))
                for name in page | expected
                if page.get(name) != expected.get(name)
            }
        )
        return not differences

    differences: dict[str, object] = {}
    with closing(admin), closing(poller), closing(member):
        until(is_right, lambda: differences)
        broker.kill()
        until(lambda: metadata(admin)["away"][0]["leader"] == -1, "broker 2 to be gone")
        until(lambda: metadata(admin)["both"][1]["in_sync"] == [1], "the other replicas to be out of sync")
        until(is_right, lambda: differences)
        # So that these were really there.
        assert metadata(admin)["both"][1]["leader"] == 1
        assert shown(poller)["kafka_topic_partition_under_replicated_partition"][labels("both", 1)] == 1
        assert labels("away", 0) not in shown(poller)["kafka_topic_partition_leader"]
        assert (("consumergroup", "billing"), ("topic", "away")) not in shown(poller)[
            "kafka_consumergroup_lag_sum"
        ]
