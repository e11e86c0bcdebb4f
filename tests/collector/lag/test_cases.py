"""Each case that a lag figure can meet, against what is true."""

import pytest

from flowtrail_collector.lag.model import Status
from lagkit import SimulatedCluster, Watch


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = SimulatedCluster()
    cluster.topic("orders")
    return cluster


def test_lag_is_end_minus_commit(cluster: SimulatedCluster) -> None:
    cluster.topic("orders", 3)
    for partition in range(3):
        cluster.produce("orders", partition, 10 * (partition + 1))
        cluster.commit("billing", "orders", partition, 7)
    watch = Watch(cluster)
    reading = watch.collect()["billing"]

    assert [watch.lag("billing", "orders", partition) for partition in range(3)] == [3, 13, 23]
    assert (reading.sum_lag, reading.max_lag) == (39, 23)
    assert list(reading.topics.sum_lags) == [39]


def test_a_stopped_consumer_waits_since_its_oldest_unread_record(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=5, at=cluster.now - 7200)
    cluster.produce("orders", count=5, at=cluster.now - 60)
    cluster.commit("billing", "orders", 0, 3)
    cluster.consumers["billing"].state = "empty"
    watch = Watch(cluster)
    watch.run(300)

    assert watch.waited("billing", "orders") == pytest.approx(7500, abs=0.2)
    assert watch.status("billing") == "stopped"


def test_without_looking_at_records_the_time_index_tells_the_order_of_magnitude(
    cluster: SimulatedCluster,
) -> None:
    for age in range(100_000, 0, -100):
        cluster.produce("orders", at=cluster.now - age)
    cluster.commit("billing", "orders", 0, 500)
    watch = Watch(cluster, probing=False)
    watch.collect()
    cluster.now += 5
    watch.collect()

    assert watch.waited("billing", "orders") == pytest.approx(50_005, rel=0.02)


def test_an_idle_topic_read_to_its_end_waits_for_nothing(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=5, at=cluster.now - 7200)
    cluster.commit("billing", "orders", 0, 5)
    watch = Watch(cluster)
    watch.run(600)

    assert watch.lag("billing", "orders") == 0
    assert watch.waited("billing", "orders") == 0.0
    assert watch.status("billing") == "ok"


def test_a_record_after_a_long_silence_has_only_just_arrived(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=5)
    cluster.commit("billing", "orders", 0, 5)
    watch = Watch(cluster, probing=False)
    watch.run(3600)
    cluster.now += 0.5
    cluster.produce("orders")
    watch.run(5)

    assert watch.waited("billing", "orders") == pytest.approx(cluster.waited("billing", "orders"), abs=0.6)
    assert watch.status("billing") == "ok"


def test_a_compacted_topic_waits_since_the_first_record_left(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=50, at=cluster.now - 9000)
    cluster.produce("orders", count=50, at=cluster.now - 100)
    cluster.compact("orders", 0, keep=lambda offset: offset < 5 or offset > 80)
    cluster.commit("billing", "orders", 0, 10)
    watch = Watch(cluster)
    watch.run(10)

    assert watch.lag("billing", "orders") == 90
    assert watch.waited("billing", "orders") == pytest.approx(cluster.waited("billing", "orders"), abs=0.2)


def test_a_marker_at_the_end_is_not_waited_for(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=3)
    cluster.mark("orders")
    cluster.commit("billing", "orders", 0, 3)
    watch = Watch(cluster)
    watch.run(600)

    assert watch.lag("billing", "orders") == 0
    assert watch.waited("billing", "orders") == 0.0
    assert watch.status("billing") == "ok"
    assert watch.readings["billing"].ends == (4,)

    # The next transaction is waited for as soon as it is there.
    cluster.produce("orders", count=2)
    cluster.mark("orders")
    watch.run(10)
    assert watch.waited("billing", "orders") == pytest.approx(cluster.waited("billing", "orders"), abs=1)


def test_timestamps_in_the_future_make_no_negative_wait(cluster: SimulatedCluster) -> None:
    cluster.commit("billing", "orders", 0, 0)
    watch = Watch(cluster)
    watch.run(5)
    cluster.produce("orders", count=10, stamped=cluster.now + 86400)
    watch.run(20)

    assert watch.waited("billing", "orders") == pytest.approx(cluster.waited("billing", "orders"), abs=1)


def test_timestamps_that_go_backwards_make_no_false_age(cluster: SimulatedCluster) -> None:
    cluster.commit("billing", "orders", 0, 0)
    watch = Watch(cluster)
    watch.run(5)
    for i in range(10):
        cluster.produce("orders", stamped=cluster.now - 1000 * i)
    watch.run(20)
    assert watch.waited("billing", "orders") == pytest.approx(cluster.waited("billing", "orders"), abs=1)
    cluster.commit("billing", "orders", 0, 7)
    watch.run(20)
    assert watch.waited("billing", "orders") == pytest.approx(cluster.waited("billing", "orders"), abs=1)


def test_reported_timestamps_make_waits_exact(cluster: SimulatedCluster) -> None:
    cluster.commit("billing", "orders", 0, 0)
    watch = Watch(cluster, probing=False)
    watch.run(5)
    for _ in range(30):
        cluster.now += 0.05
        cluster.produce("orders")
        watch.timestamps.add("orders", 0, cluster.logs["orders", 0].end - 1, round(cluster.now * 1000))
    for commit in (0, 7, 29):
        cluster.commit("billing", "orders", 0, commit)
        watch.collect()
        assert watch.waited("billing", "orders") == pytest.approx(
            cluster.waited("billing", "orders"), abs=0.002
        )


def test_a_rewind_reads_as_such(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=100)
    cluster.commit("billing", "orders", 0, 100)
    watch = Watch(cluster, window_seconds=60)
    watch.run(60)
    cluster.commit("billing", "orders", 0, 40)
    watch.run(5)
    assert (watch.lag("billing", "orders"), watch.status("billing")) == (60, "rewound")
    assert watch.readings["billing"].topics.catch_up_seconds == [None]

    cluster.commit("billing", "orders", 0, 100)
    watch.run(70)
    assert (watch.lag("billing", "orders"), watch.status("billing")) == (0, "ok")


def test_a_reset_forward_counts_nothing_as_lost(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=100)
    cluster.commit("billing", "orders", 0, 10)
    watch = Watch(cluster)
    watch.run(5)
    cluster.commit("billing", "orders", 0, 90)
    watch.run(5)

    assert watch.lag("billing", "orders") == 10
    assert list(watch.readings["billing"].topics.lost) == [0]


def test_a_recreated_topic_is_a_commit_past_the_end_and_not_a_negative_lag(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=100)
    cluster.commit("billing", "orders", 0, 100)
    watch = Watch(cluster)
    watch.run(10)
    cluster.delete("orders")
    cluster.topic("orders")
    cluster.produce("orders", count=3)
    watch.run(100)

    assert watch.lag("billing", "orders") is None
    assert watch.waited("billing", "orders") is None
    assert watch.status("billing") == "beyond"
    assert watch.readings["billing"].sum_lag is None

    # Its consumer starts over.
    cluster.commit("billing", "orders", 0, 1)
    watch.run(5)
    assert watch.lag("billing", "orders") == 2
    assert watch.waited("billing", "orders") == pytest.approx(cluster.waited("billing", "orders"), abs=1)


def test_a_replica_briefly_behind_is_no_alarm(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=100)
    cluster.commit("billing", "orders", 0, 102)
    watch = Watch(cluster)
    watch.run(10)
    assert (watch.lag("billing", "orders"), watch.status("billing")) == (0, "ok")


def test_a_deleted_topic_takes_its_series_along(cluster: SimulatedCluster) -> None:
    cluster.topic("payments")
    for topic in ("orders", "payments"):
        cluster.produce(topic, count=5)
        cluster.commit("billing", topic, 0, 2)
    watch = Watch(cluster)
    watch.run(5)
    cluster.delete("payments")
    watch.run(5)

    reading = watch.readings["billing"]
    assert list(reading.pairs) == [("orders", 0)]
    assert reading.orphans == 1
    assert reading.sum_lag == 3


def test_records_lost_to_retention_are_counted_once(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=100, at=cluster.now - 50)
    cluster.produce("orders", count=100)
    cluster.commit("billing", "orders", 0, 10)
    watch = Watch(cluster, slow_seconds=5)
    watch.run(10)
    assert watch.readings["billing"].topics.margins == [10]

    cluster.logs["orders", 0].start = 50
    watch.run(20)
    assert list(watch.readings["billing"].topics.lost) == [40]
    assert watch.status("billing") == "losing"
    assert watch.readings["billing"].topics.margins == [0]

    cluster.logs["orders", 0].start = 120
    watch.run(20)
    assert list(watch.readings["billing"].topics.lost) == [110]
    # What is gone waits no longer.
    assert watch.waited("billing", "orders") == pytest.approx(cluster.waited("billing", "orders"), abs=1)

    cluster.commit("billing", "orders", 0, 150)
    watch.run(20)
    assert list(watch.readings["billing"].topics.lost) == [110]
    assert watch.status("billing") == "ok"


def test_a_transactional_group_lags_behind_the_last_stable_offset(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=100)
    cluster.logs["orders", 0].stable_end = 60
    for group in ("exact", "dirty"):
        cluster.commit(group, "orders", 0, 60)
    watch = Watch(cluster, read_committed="^exact$")
    watch.run(300)

    assert (watch.lag("exact", "orders"), watch.status("exact")) == (0, "ok")
    assert (watch.lag("dirty", "orders"), watch.status("dirty")) == (40, "stalled")


def test_a_member_without_commits_is_shown_without_lag(cluster: SimulatedCluster) -> None:
    cluster.topic("orders", 2)
    cluster.produce("orders", 0, 5)
    cluster.commit("billing", "orders", 0, 5)
    cluster.consumers["billing"].assigned = frozenset({("orders", 0), ("orders", 1)})
    watch = Watch(cluster, slow_seconds=5)
    watch.run(10)

    assert list(watch.readings["billing"].pairs) == [("orders", 0)]
    reading = watch.readings["billing"]
    assert reading.uncommitted is not None
    assert [(each.topic, each.partition) for each in reading.uncommitted.partitions] == [("orders", 1)]
    # There is nothing in it: whatever it begins with, it has read it all.
    assert (reading.members, reading.sum_lag, reading.status) == (1, 0, Status.OK)


def test_a_streams_group_commits_as_others_do_and_its_members_are_not_known(
    cluster: SimulatedCluster,
) -> None:
    cluster.produce("orders", count=5)
    cluster.commit("totals", "orders", 0, 2)
    cluster.consumers["totals"].type = "streams"
    watch = Watch(cluster)
    watch.collect()
    reading = watch.collect()["totals"]

    assert (reading.type, reading.sum_lag, reading.members) == ("streams", 3, None)


def test_a_share_group_keeps_its_progress_elsewhere_and_is_listed_without_lag(
    cluster: SimulatedCluster,
) -> None:
    cluster.commit("pool", "orders", 0, 0)
    cluster.consumers["pool"].type = "share"
    watch = Watch(cluster)
    reading = watch.collect()["pool"]

    assert (reading.type, reading.state) == ("share", "stable")
    assert (reading.sum_lag, reading.max_seconds, list(reading.pairs), reading.status) == (
        None,
        None,
        [],
        None,
    )


def test_ephemeral_groups_are_forgotten_and_stay_so(cluster: SimulatedCluster) -> None:
    for group in ("console-consumer-4711", "billing"):
        cluster.commit(group, "orders", 0, 0)
        cluster.consumers[group].state = "empty"
    watch = Watch(cluster, forget_ephemeral_seconds=60)
    watch.run(50)
    assert set(watch.readings) == {"console-consumer-4711", "billing"}
    watch.run(200)
    assert set(watch.readings) == {"billing"}

    cluster.consumers["console-consumer-4711"].state = "stable"
    watch.run(5)
    assert set(watch.readings) == {"console-consumer-4711", "billing"}


def test_filters_choose_groups_and_topics(cluster: SimulatedCluster) -> None:
    cluster.topic("__consumer_offsets")
    cluster.topic("audit")
    for group in ("billing", "other"):
        for topic in ("orders", "audit", "__consumer_offsets"):
            cluster.commit(group, topic, 0, 0)
    watch = Watch(cluster, groups="^bill", topics="^ord")
    assert {name: list(reading.pairs) for name, reading in watch.collect().items()} == {
        "billing": [("orders", 0)]
    }
    watch = Watch(cluster)
    assert list(watch.collect()["other"].pairs) == [("audit", 0), ("orders", 0)]


def test_catch_up_time_follows_from_the_rates(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=10_000)
    cluster.commit("billing", "orders", 0, 0)
    done = 0.0

    def tick(now: float) -> None:
        nonlocal done
        done += 3.0  # 30/s read, 10/s written
        cluster.produce("orders")
        cluster.commit("billing", "orders", 0, int(done))

    watch = Watch(cluster, window_seconds=30)
    watch.run(120, tick)
    (catch_up,) = watch.readings["billing"].topics.catch_up_seconds
    assert catch_up == pytest.approx(cluster.lag("billing", "orders") / 20, rel=0.05)

    watch.run(120, lambda now: cluster.produce("orders"))
    assert watch.readings["billing"].topics.catch_up_seconds == [float("inf")]
