"""A topic that was deleted and created again is another one, however many records it has."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.lag import LagPoller, LagSettings
from lagkit import SimulatedCluster, Watch
from servers import KafkaServer
from waiting import until

HOUR = 3600.0


@pytest.mark.parametrize("looked_at_before", [True, False])
@pytest.mark.parametrize("probing", [True, False])
@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("records", [1, 9, 10, 11, 1000])
def test_its_records_have_not_waited_since_before_it_was_there(
    records: int, partitions: int, probing: bool, looked_at_before: bool
) -> None:
    cluster = SimulatedCluster()
    for name in ("a", "orders", "orders2"):
        cluster.topic(name, partitions)
        for number in range(partitions):
            cluster.produce(name, number, 10)
            cluster.commit("billing", name, number, 0)
    watch = Watch(cluster, probing=probing, slow_seconds=10)
    watch.run(30)
    cluster.now += HOUR
    if looked_at_before:
        watch.collect()
    cluster.delete("orders")
    cluster.topic("orders", partitions)
    for number in range(partitions):
        cluster.produce("orders", number, records)
    watch.run(20)
    for number in range(partitions):
        waited = watch.waited("billing", "orders", number)
        assert waited is not None
        if probing or looked_at_before:
            assert waited == pytest.approx(20, abs=11)
        # Whoever has the same beginning of a name has nothing to do with it.
        for name in ("a", "orders2"):
            assert watch.waited("billing", name, number) == pytest.approx(HOUR + 50, abs=2)
            assert watch.lag("billing", name, number) == 10
        assert watch.lag("billing", "orders", number) == records


def test_a_broker_that_tells_no_ids_changes_nothing() -> None:
    cluster = SimulatedCluster()
    cluster.topic("orders")
    cluster.produce("orders", count=10)
    cluster.commit("billing", "orders", 0, 3)
    watch = Watch(cluster, slow_seconds=10)
    watch.run(30)
    cluster.ids.clear()
    watch.run(30)
    cluster.ids["orders"] = "id-0"
    watch.run(30)
    assert watch.waited("billing", "orders") == pytest.approx(90, abs=2)


@pytest.mark.servers
@pytest.mark.parametrize("records", [10, 25])
def test_on_a_real_kafka(kafka_server: Callable[..., KafkaServer], records: int) -> None:
    bootstrap = kafka_server({}).bootstrap_servers
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def create(count: int, at: float) -> str:
        admin.create_topics([NewTopic("orders", 1, 1)])["orders"].result()
        producer = Producer({"bootstrap.servers": bootstrap})
        for _ in range(count):
            producer.produce("orders", b"x", timestamp=round(at * 1000))
        assert producer.flush() == 0
        commits = ConsumerGroupTopicPartitions("billing", [TopicPartition("orders", 0, 0)])
        admin.alter_consumer_group_offsets([commits])["billing"].result()
        return str(admin.describe_topics(TopicCollection(["orders"]))["orders"].result().topic_id)

    connection = read_connection(bootstrap)
    settings = LagSettings(slow_seconds=10)
    source, prober = KafkaLagSource(connection), KafkaRecordProber(connection)
    with closing(LagPoller(source, settings, prober=prober)) as poller:

        def waited() -> float | None:
            poller.collect()
            poller.collection.widen(time.monotonic() + 60)
            reading = poller.view.reading("billing")
            return reading.seconds[0] if reading is not None and reading.seconds else None

        first = create(10, time.time() - HOUR)
        until(lambda: (waited() or 0.0) > HOUR - 60)
        admin.delete_topics(["orders"])["orders"].result()
        until(lambda: "orders" not in admin.list_topics(timeout=30).topics)
        created_at = time.time()
        assert create(records, created_at) != first
        until(lambda: (waited() or HOUR) <= time.time() - created_at + 1)
        reading = poller.view.reading("billing")
        assert reading is not None
        assert reading.lags == [records]


@pytest.mark.servers
@pytest.mark.parametrize("looks_between", [0, 3])
@pytest.mark.parametrize("looked_at_before", [True, False])
def test_a_prober_that_knew_the_earlier_one_looks_at_the_new_one(
    kafka: str, topic: Callable[..., str], looked_at_before: bool, looks_between: int
) -> None:
    admin, producer = (
        AdminClient({"bootstrap.servers": kafka, "log_level": 0}),
        Producer({"bootstrap.servers": kafka, "log_level": 0}),
    )
    orders, others = topic(), topic()

    def create(name: str, records: int) -> None:
        admin.create_topics([NewTopic(name, 2, 1)])[name].result()
        for _ in range(records):
            producer.produce(name, b"x", partition=0)
        assert producer.flush() == 0

    create(orders, 3)
    create(others, 1)
    with closing(KafkaRecordProber(read_connection(kafka), silence_seconds=0.3)) as prober:

        def looked_at(*names: str) -> set[str]:
            found, _ = prober.first_records([(name, 0, 0) for name in names], time.monotonic() + 30)
            return {name for name, _, _ in found}

        before = (orders, others) if looked_at_before else (others,)
        until(lambda: looked_at(*before) == {*before})
        admin.delete_topics([orders])[orders].result()
        until(lambda: orders not in admin.list_topics(timeout=30).topics)
        for _ in range(looks_between):
            looked_at(others)
        create(orders, 1)
        looks = [looked_at(orders, others) for _ in range(10)]
        assert orders in set().union(*looks), looks
        assert looks[-1] == {orders, others}
