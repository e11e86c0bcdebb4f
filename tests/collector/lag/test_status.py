"""Judgement of a group by its behaviour: the alarms that should come, and the false ones that should not."""

import random

import pytest

from flowtrail_collector.lag.model import Status
from lagkit import SimulatedCluster, Watch

WINDOW = 60.0


class Consumer:
    """Reads at a rate and commits now and then."""

    def __init__(self, cluster: SimulatedCluster, *, rate: float, commit_every: float = 1.0) -> None:
        self.cluster, self.rate, self.commit_every = cluster, rate, commit_every
        self.read = 0.0
        self.committed_at = cluster.now
        cluster.commit("billing", "orders", 0, 0)

    def tick(self, now: float) -> None:
        self.read = min(self.cluster.logs["orders", 0].end, self.read + self.rate * 0.1)
        if now - self.committed_at >= self.commit_every:
            self.committed_at = now
            self.cluster.commit("billing", "orders", 0, int(self.read))


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = SimulatedCluster()
    cluster.topic("orders")
    return cluster


def watched(cluster: SimulatedCluster, seconds: float, tick: object) -> set[str | None]:
    """Every status that was shown, after the first window."""
    watch = Watch(cluster, window_seconds=WINDOW)
    watch.run(WINDOW, tick)  # type: ignore[arg-type]
    shown: set[str | None] = set()

    def and_look(now: float) -> None:
        tick(now)  # type: ignore[operator]
        shown.add(watch.status("billing"))

    watch.run(seconds, and_look)
    return shown


def test_a_consumer_that_keeps_pace_is_ok_though_its_lag_wavers(cluster: SimulatedCluster) -> None:
    consumer = Consumer(cluster, rate=100)
    dice = random.Random(1)

    def tick(now: float) -> None:
        cluster.produce("orders", count=dice.choice((0, 3, 10, 20)))
        consumer.tick(now)

    assert watched(cluster, 400, tick) == {"ok"}


def test_a_burst_that_is_worked_off_is_ok(cluster: SimulatedCluster) -> None:
    consumer = Consumer(cluster, rate=100)
    ticks = iter(range(10**6))

    def tick(now: float) -> None:
        # Twice the window's worth of work arrives at once, again and again.
        cluster.produce("orders", count=4000 if next(ticks) % 1200 == 0 else 1)
        consumer.tick(now)

    assert watched(cluster, 400, tick) == {"ok"}


def test_one_record_after_a_silence_is_ok(cluster: SimulatedCluster) -> None:
    consumer = Consumer(cluster, rate=100)
    ticks = iter(range(10**6))

    def tick(now: float) -> None:
        if next(ticks) % 2000 == 1900:
            cluster.produce("orders")
        consumer.tick(now)

    assert watched(cluster, 600, tick) == {"ok"}


def test_a_consumer_that_commits_rarely_is_ok_while_it_keeps_pace(cluster: SimulatedCluster) -> None:
    consumer = Consumer(cluster, rate=100, commit_every=WINDOW * 0.8)

    def tick(now: float) -> None:
        cluster.produce("orders", count=2)
        consumer.tick(now)

    assert watched(cluster, 400, tick) == {"ok"}


def test_a_slow_consumer_is_behind(cluster: SimulatedCluster) -> None:
    consumer = Consumer(cluster, rate=5)

    def tick(now: float) -> None:
        cluster.produce("orders")
        consumer.tick(now)

    shown = watched(cluster, 400, tick)
    assert "behind" in shown
    assert shown <= {"ok", "behind"}


def test_a_slow_consumer_whose_lag_falls_at_times_is_behind_all_the_same(cluster: SimulatedCluster) -> None:
    consumer = Consumer(cluster, rate=5)
    ticks = iter(range(10**6))

    def tick(now: float) -> None:
        cluster.produce("orders", count=10 if next(ticks) % 10 == 0 else 0)
        consumer.tick(now)

    assert "behind" in watched(cluster, 400, tick)


@pytest.mark.parametrize(("state", "status"), [("stable", "stalled"), ("empty", "stopped")])
def test_a_consumer_that_stops_is_told_by_its_members(
    cluster: SimulatedCluster, state: str, status: str
) -> None:
    consumer = Consumer(cluster, rate=100)
    watch = Watch(cluster, window_seconds=WINDOW)

    def tick(now: float) -> None:
        cluster.produce("orders")
        consumer.tick(now)

    watch.run(100, tick)
    assert watch.status("billing") == "ok"
    consumer.rate = 0
    cluster.consumers["billing"].state = state
    watch.run(WINDOW * 0.5, tick)
    # Where somebody holds the partition only time tells whether it is read; where nobody does, that is known at once.
    assert watch.status("billing") == ("ok" if state == "stable" else status)
    watch.run(WINDOW, tick)
    assert watch.status("billing") == status

    consumer.rate = 1000
    cluster.consumers["billing"].state = "stable"
    watch.run(10, tick)
    assert watch.status("billing") == "ok"


def test_a_stopped_consumer_of_an_idle_topic_is_ok(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=5)
    cluster.commit("billing", "orders", 0, 5)
    cluster.consumers["billing"].state = "empty"
    assert watched(cluster, 600, lambda now: None) == {"ok"}


def test_a_consumer_that_stands_before_a_marker_is_ok(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=5)
    cluster.mark("orders")
    cluster.commit("billing", "orders", 0, 5)
    assert watched(cluster, 600, lambda now: None) == {"ok"}


HELD = {
    "all": [("a", 0), ("a", 1), ("b", 0)],
    "one topic": [("a", 0), ("a", 1)],
    "one partition": [("a", 0)],
    "nothing": [],
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
@pytest.mark.parametrize("state", ["stable", "preparing_rebalance", "empty"])
def test_what_no_member_holds_has_stopped(
    cluster: SimulatedCluster, held: list[tuple[str, int]], state: str
) -> None:
    for topic, partitions in (("a", 2), ("b", 1)):
        cluster.topic(topic, partitions)
        for partition in range(partitions):
            cluster.produce(topic, partition, 5)
            cluster.commit("billing", topic, partition, 1)
    cluster.consumers["billing"].assigned = frozenset(held)
    cluster.consumers["billing"].state = state
    watch = Watch(cluster, window_seconds=10, slow_seconds=5)
    watch.run(20)
    reading = watch.readings["billing"]
    # Who holds what during a rebalance isn't known.
    nobody = {pair for pair in reading.pairs if state == "empty" or (state == "stable" and pair not in held)}
    expected = [Status.STOPPED if pair in nobody else Status.STALLED for pair in reading.pairs]
    assert list(reading.statuses) == expected
    topics = {"a": max(expected[:2]), "b": expected[2]}
    assert dict(zip(topics, reading.topics.statuses, strict=True)) == topics
