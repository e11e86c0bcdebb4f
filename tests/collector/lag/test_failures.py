"""What fails is told once, and takes nothing else along."""

import logging

import pytest

from flowtrail_collector.errors import ServiceUnreachableError
from lagkit import SimulatedCluster, Watch


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = SimulatedCluster()
    for topic in ("orders", "payments"):
        cluster.topic(topic)
        cluster.produce(topic, count=10)
        for group in ("billing", "shipping"):
            cluster.commit(group, topic, 0, 4)
    return cluster


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "flowtrail_collector.lag"]


def test_a_failing_group_keeps_its_last_figures_for_a_while_and_the_others_stay_fresh(
    cluster: SimulatedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watch = Watch(cluster, keep_failing_seconds=30)
    watch.run(10)
    cluster.failing_groups.add("billing")
    cluster.produce("orders", count=5)
    watch.run(10)
    assert watch.lag("shipping", "orders") == 11
    assert watch.lag("billing", "orders") == 6
    assert watch.readings["billing"].read_at < watch.readings["shipping"].read_at
    assert watch.collection.failures.failing["group"] == 1

    watch.run(30)
    # That there is such a group is known, and no more.
    assert (watch.readings["billing"].state, watch.readings["billing"].pairs) == ("stable", ())
    assert (watch.readings["billing"].status, watch.readings["billing"].sum_lag) == (None, None)
    cluster.failing_groups.clear()
    watch.run(5)
    assert watch.lag("billing", "orders") == 11
    assert watch.collection.failures.failing["group"] == 0
    assert lines(caplog) == [
        "lag of group billing: coordinator not available",
        "lag of group billing can be read again",
    ]


def test_a_failing_broker_blanks_only_its_own_partitions(
    cluster: SimulatedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch(cluster)
    watch.run(5)
    cluster.logs["payments", 0].leader = 2
    cluster.failing_brokers.add(2)
    watch.run(20)
    assert watch.lag("billing", "orders") == 6
    assert watch.lag("billing", "payments") is None
    # The rest's sum would look like the whole's; what had been seen to wait waits still.
    reading = watch.readings["billing"]
    assert (reading.sum_lag, reading.max_lag) == (None, None)
    assert (reading.least_lag, reading.known, reading.partitions) == (12, 1, 2)
    assert watch.waited("billing", "payments") == pytest.approx(
        cluster.waited("billing", "payments"), abs=0.2
    )
    assert watch.collection.failures.failing["broker"] == 1
    assert lines(caplog) == ["lag of broker 2: takes too long to answer"]

    cluster.failing_brokers.clear()
    watch.run(5)
    assert watch.readings["billing"].sum_lag == 12


def test_an_unauthorised_topic_is_one_line_and_the_rest_goes_on(
    cluster: SimulatedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.failing_topics.add("payments")
    watch = Watch(cluster)
    watch.run(60)
    assert watch.lag("billing", "orders") == 6
    assert lines(caplog) == ["lag of topic payments: not authorized"]
    assert watch.collection.failures.failing["topic"] == 1


def test_a_topic_that_cannot_be_looked_at_for_a_moment_is_not_taken_for_a_new_one(
    cluster: SimulatedCluster,
) -> None:
    watch = Watch(cluster)
    watch.run(30)
    cluster.failing_topics.add("orders")
    watch.run(30)
    cluster.failing_topics.clear()
    watch.run(5)
    assert watch.waited("billing", "orders") == pytest.approx(cluster.waited("billing", "orders"), abs=0.2)


def test_records_that_may_not_be_read_are_not_asked_for_again_and_again(
    cluster: SimulatedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.unreadable.add("orders")
    watch = Watch(cluster)
    watch.run(120)
    assert sum(topic == "orders" for topic, _, _ in cluster.probed) <= 2
    assert lines(caplog).count("lag of topic orders: not authorized to read") == 1


def test_what_is_known_exactly_is_not_looked_at_again(cluster: SimulatedCluster) -> None:
    watch = Watch(cluster)
    watch.run(600)
    assert sorted(cluster.probed) == sorted(set(cluster.probed))
    assert len(cluster.probed) <= 2


def test_a_cluster_out_of_reach_is_for_the_caller(cluster: SimulatedCluster) -> None:
    def refuse(what: str) -> None:
        if what == "topics":
            raise ServiceUnreachableError("no Kafka broker answers at localhost:9092: refused")

    cluster.on_read = refuse
    with pytest.raises(ServiceUnreachableError):
        Watch(cluster).collect()


def test_thousands_of_failures_are_not_thousands_of_lines(
    cluster: SimulatedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(1000):
        cluster.commit(f"group-{i}", "orders", 0, 0)
        cluster.failing_groups.add(f"group-{i}")
    watch = Watch(cluster)
    watch.run(20)
    assert len(lines(caplog)) == 21
    assert watch.collection.failures.failing["group"] == 1000


def test_a_group_that_goes_away_while_its_commits_are_read():
    cluster = SimulatedCluster()
    cluster.topic("orders", 2)
    cluster.produce("orders", 1, 3)
    cluster.commit("billing", "orders", 1, 1)
    watch = Watch(cluster)
    assert watch.collect()["billing"].sum_lag == 2

    def go(what: str) -> None:
        if what == "topics":
            cluster.delete("orders")
        elif what == "commits":
            cluster.consumers.pop("billing", None)

    cluster.on_read = go
    readings = watch.collection.run()
    assert [(reading.group, reading.sum_lag) for reading in readings] == [("billing", None)]
    assert watch.collection.run() == []
