"""What is known of a part is never told as if it were the whole."""

import pytest

from flowtrail_collector.lag.model import Status
from flowtrail_collector.lag.model._first_records import FirstRecordSet
from flowtrail_collector.wording import unmistakable
from lagkit import SimulatedCluster, Watch


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = SimulatedCluster()
    cluster.topic("orders", 2)
    for partition in (0, 1):
        cluster.produce("orders", partition, 10)
    cluster.commit("billing", "orders", 0, 4)
    return cluster


def test_a_member_that_never_commits_is_uncommitted_after_a_window(cluster: SimulatedCluster) -> None:
    cluster.consumers["billing"].assigned = frozenset({("orders", 0), ("orders", 1)})
    watch = Watch(cluster, window_seconds=30, slow_seconds=5)

    def read_the_other(now: float) -> None:
        cluster.commit("billing", "orders", 0, cluster.logs["orders", 0].end)

    watch.run(10, read_the_other)
    reading = watch.readings["billing"]
    assert (reading.status, reading.sum_lag, reading.topics.sum_lags) == (None, None, [None])
    cluster.produce("orders", 1, 3)
    watch.run(40, read_the_other)
    reading = watch.readings["billing"]
    assert reading.uncommitted is not None
    assert (reading.status, reading.sum_lag) == (Status.UNCOMMITTED, None)
    assert (reading.uncommitted.from_earliest, reading.uncommitted.from_latest) == (13, 3)
    cluster.commit("billing", "orders", 1, 13)
    watch.run(5, read_the_other)
    assert (watch.status("billing"), watch.readings["billing"].sum_lag) == ("ok", 0)


@pytest.mark.parametrize("hidden", ["payments", "__internal"])
def test_a_filtered_topic_is_not_one_that_is_gone(cluster: SimulatedCluster, hidden: str) -> None:
    cluster.topic(hidden)
    cluster.produce(hidden, 0, 5)
    cluster.commit("billing", hidden, 0, 1)
    watch = Watch(cluster, topics="^orders$")
    watch.run(10)
    reading = watch.readings["billing"]
    assert (reading.orphans, reading.sum_lag, list(reading.topics.sum_lags)) == (0, None, [6])
    assert (reading.least_lag, reading.known, reading.partitions) == (6, 1, 2)


@pytest.mark.parametrize("hidden", ["payments", "__internal"])
def test_a_partition_that_a_filtered_topic_lacks_is_gone(cluster: SimulatedCluster, hidden: str) -> None:
    cluster.topic(hidden, 2)
    cluster.commit("billing", hidden, 1, 1)
    cluster.commit("billing", hidden, 2, 1)
    cluster.consumers["billing"].assigned = frozenset({("orders", 0), (hidden, 0), (hidden, 3)})
    watch = Watch(cluster, topics="^orders$")
    watch.run(10)
    reading = watch.readings["billing"]
    assert reading.orphans == 1
    assert reading.uncommitted is not None
    assert reading.uncommitted.unseen == {(hidden, 0)}


def test_a_rebalancing_group_with_records_to_read_is_not_ok(cluster: SimulatedCluster) -> None:
    cluster.consumers["billing"].state = "preparing_rebalance"
    watch = Watch(cluster)
    watch.run(10)
    assert watch.status("billing") == "behind"


def test_several_holes_are_known_at_once() -> None:
    known = FirstRecordSet()
    known.learn(1, 101, 5.0, is_record=True)
    known.learn(102, 202, 7.0, is_record=True)
    assert [known.find(offset) and known.find(offset).at for offset in (0, 1, 50, 101, 102, 202, 203)] == [  # type: ignore[union-attr]
        None, 101, 101, 101, 202, 202, None,
    ]  # fmt: skip
    # The record at 101 is compacted away, too.
    known.learn(101, 202, 7.0, is_record=True)
    assert known.find(1) == (1, 202, 7.0, True)
    assert known.holes(90, 300) == 112


def test_no_two_names_look_alike() -> None:
    names = ["", '""', "a\nb", "a\rb", "a\\nb", "a\\\\nb", "\\", '"', "a b", "a\u2028b", "a\x85b", "\x1b[31m"]
    shown = {unmistakable(name) for name in names}
    assert len(shown) == len(names)
    assert all(text.isprintable() for text in shown)
