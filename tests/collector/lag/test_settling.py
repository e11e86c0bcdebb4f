"""What was learned once is learned anew when the cluster has changed under it."""

import itertools
import random

import pytest
from confluent_kafka import TopicPartition

from flowtrail_collector.lag.model import GroupColumns, PartitionTable
from flowtrail_collector.lag.ports import FirstRecord
from lagkit import SimulatedCluster, Watch


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = SimulatedCluster()
    cluster.topic("orders")
    cluster.commit("billing", "orders", 0, 0)
    return cluster


class Transactional(SimulatedCluster):
    """A cluster whose records from `stable_end` on are in a transaction under way: nobody is shown them."""

    asked = 0
    silent = False

    def first_records(self, places, deadline):  # type: ignore[no-untyped-def]
        """As a reader of committed records finds it."""
        self.asked += len(places)
        found, failures = super().first_records(places, deadline)
        told = {}
        for (topic, number, offset), record in found.items():
            stable = self.logs[topic, number].stable_end
            if stable is not None and record.offset >= stable:
                if self.silent and offset > stable:
                    continue
                told[topic, number, offset] = FirstRecord(stable, None, exists=False)
            else:
                told[topic, number, offset] = record
        return told, failures


@pytest.mark.parametrize("commits", [False, True], ids=["aborted", "committed"])
def test_a_transaction_that_ends_is_looked_at_again(commits: bool) -> None:
    cluster = Transactional()
    cluster.topic("orders")
    cluster.commit("billing", "orders", 0, 0)
    watch = Watch(cluster)
    watch.run(5)
    log = cluster.logs["orders", 0]
    log.stable_end = 0
    cluster.produce("orders", count=4)
    watch.run(60)
    assert watch.lag("billing", "orders") == 4
    assert watch.waited("billing", "orders") == pytest.approx(60, abs=2)
    cluster.mark("orders")
    log.stable_end = None
    if not commits:
        log.offsets, log.arrived, log.stamped = [], [], []
    watch.run(15)
    expected = (5, pytest.approx(75, abs=2)) if commits else (0, 0)
    assert (watch.lag("billing", "orders"), watch.waited("billing", "orders")) == expected
    cluster.produce("orders", count=2)
    watch.run(10)
    waited = 85 if commits else 10
    assert watch.waited("billing", "orders") == pytest.approx(waited, abs=2)


@pytest.mark.parametrize("seed", range(30))
def test_what_transactions_leave_behind_is_followed_whatever_ends_first(seed: int) -> None:
    """Groups that read what isn't committed and groups that don't, in front of markers, of what was aborted, of more."""
    dice, cluster = random.Random(seed), Transactional()
    cluster.topic("orders")
    log = cluster.logs["orders", 0]
    watch = Watch(cluster, read_committed="^rc")
    opened: list[int] = []
    for _ in range(40):
        if dice.random() < 0.6:
            cluster.produce("orders", count=dice.randint(1, 2))
            if dice.random() < 0.5 and not opened:
                opened = log.offsets[-1:]
                log.stable_end = opened[0]
        elif opened:
            cluster.mark("orders")
            log.stable_end = None
            if dice.random() < 0.7:
                gone = log.offsets.index(opened[0])
                del log.offsets[gone], log.arrived[gone], log.stamped[gone]
            opened = []
        # One that is looked at makes the other one be looked at, too: each is there alone as well.
        for name in (("plain", "rc"), ("plain",), ("rc",))[seed % 3]:
            if dice.random() < 0.4:
                cluster.commit(name, "orders", 0, dice.randint(max(0, log.end - 4), log.end))
        cluster.now += 10
        for _ in range(3):
            watch.run(5)
        for name, group in cluster.consumers.items():
            end = log.end if name == "plain" or log.stable_end is None else log.stable_end
            at = group.commits["orders", 0]
            unread = any(at <= offset < end for offset in log.offsets)
            assert watch.lag(name, "orders") == (end - at if unread else 0), (name, at, end, log)


def test_a_place_that_the_broker_is_silent_about_once_is_asked_for_again_at_once() -> None:
    cluster = Transactional()
    cluster.silent = True
    cluster.topic("orders")
    cluster.mark("orders")
    cluster.mark("orders")
    log = cluster.logs["orders", 0]
    log.stable_end = 0
    cluster.commit("billing", "orders", 0, 1)
    watch = Watch(cluster, slow_seconds=600)
    watch.run(5)
    assert watch.lag("billing", "orders") == 1
    log.stable_end = None
    watch.run(10)
    assert (cluster.asked, watch.lag("billing", "orders")) == (2, 0)


def test_a_place_that_the_broker_is_silent_about_is_not_asked_for_all_the_time() -> None:
    cluster = Transactional()
    cluster.silent = True
    cluster.topic("orders")
    cluster.logs["orders", 0].stable_end = 0
    cluster.produce("orders", count=4)
    cluster.commit("billing", "orders", 0, 2)
    watch = Watch(cluster, slow_seconds=60)
    watch.run(120)
    assert 1 <= cluster.asked <= 4


def test_what_retention_removes_is_waited_for_no_longer(cluster: SimulatedCluster) -> None:
    watch = Watch(cluster, slow_seconds=5)
    watch.run(5)
    cluster.produce("orders", count=10)
    watch.run(60)
    cluster.produce("orders", count=10)
    watch.run(20)
    assert watch.waited("billing", "orders") == pytest.approx(80, abs=2)
    log = cluster.logs["orders", 0]
    log.start = 10
    watch.run(15)
    assert watch.waited("billing", "orders") == pytest.approx(35, abs=2)
    assert watch.lag("billing", "orders") == 20


def test_markers_that_retention_removed_are_no_lag(cluster: SimulatedCluster) -> None:
    for _ in range(3):
        cluster.mark("orders")
    watch = Watch(cluster, slow_seconds=5)
    watch.run(20)
    assert watch.lag("billing", "orders") == 0
    cluster.logs["orders", 0].start = 3
    watch.run(20)
    assert (watch.lag("billing", "orders"), watch.status("billing")) == (0, "ok")
    assert list(watch.readings["billing"].topics.lost) == [0]


@pytest.mark.parametrize("start", [0, 6, 8])
@pytest.mark.parametrize("before", [5, 6, 7])
@pytest.mark.parametrize("after", range(9))
def test_who_goes_from_markers_to_records_is_behind(
    cluster: SimulatedCluster, start: int, before: int, after: int
) -> None:
    """Also where all of them have been removed since: they are lost, and were no markers."""
    cluster.produce("orders", count=5)
    for _ in range(3):
        cluster.mark("orders")
    cluster.commit("billing", "orders", 0, before)
    watch = Watch(cluster, slow_seconds=5)
    watch.run(20)
    assert watch.lag("billing", "orders") == 0
    cluster.logs["orders", 0].start = start
    watch.run(20)
    cluster.commit("billing", "orders", 0, after)
    for _ in range(3):
        watch.run(5)
        assert after >= 5 or watch.lag("billing", "orders") == 8 - after
    watch.run(20)
    assert after < max(before, 5) or watch.lag("billing", "orders") == 0


@pytest.mark.parametrize("count", [1, 3, 7, 20])
def test_a_partition_whose_start_cannot_be_read_holds_up_no_other(
    cluster: SimulatedCluster, count: int
) -> None:
    cluster.topic("away")
    cluster.logs["away", 0].leader = 2
    cluster.failing_brokers.add(2)
    cluster.topic("many", count)
    watch = Watch(cluster, slow_seconds=10)
    watch.run(10)
    for number in range(count):
        cluster.produce("many", number, 5)
        cluster.logs["many", number].start = 3
    watch.run(20)
    table = watch.collection.table
    starts = {name: table.earliest[i] for i, name in enumerate(table.names)}
    assert starts == {("away", 0): None, ("orders", 0): 0} | {("many", number): 3 for number in range(count)}


def test_who_comes_back_begins_anew(cluster: SimulatedCluster) -> None:
    cluster.topic("mail")
    group = cluster.consumers["billing"]
    group.assigned = frozenset({("orders", 0), ("mail", 0)})
    cluster.produce("mail", count=10)
    watch = Watch(cluster, window_seconds=30, slow_seconds=60)

    def unread() -> tuple[str | None, int | None]:
        uncommitted = watch.readings["billing"].uncommitted
        assert uncommitted is not None
        return watch.status("billing"), uncommitted.from_latest

    watch.run(40, lambda now: None)
    cluster.produce("mail", count=5)
    watch.run(5)
    assert unread() == ("uncommitted", 5)
    group.state = "empty"
    watch.run(5)
    group.state, group.assigned = "stable", frozenset({("mail", 0)})
    cluster.produce("mail", count=3)
    watch.run(5)
    # Its grace begins with the new member, and so does what it has not read.
    assert unread() == (None, 0)


def test_a_partition_that_is_held_and_does_not_exist_is_not_read(cluster: SimulatedCluster) -> None:
    cluster.consumers["billing"].assigned = frozenset({("orders", 0), ("gone", 0)})
    watch = Watch(cluster)
    watch.run(10)
    reading = watch.readings["billing"]
    assert (reading.partitions, reading.known, reading.sum_lag, watch.status("billing")) == (1, 1, 0, "ok")


def test_turns_reach_everything_as_often_as_they_should(cluster: SimulatedCluster) -> None:
    """However many partitions come and go meanwhile."""
    cluster.topic("orders", 5)
    watch = Watch(cluster, slow_seconds=20, interval_seconds=5)
    watch.run(10)
    for turn in range(6):
        cluster.topic(f"new-{turn}", 3)
        for log in cluster.logs.values():
            log.end += 1
            log.start += 1
        watch.run(5)
        # A turn, and the collection that shows it.
    watch.run(25)
    table = watch.collection.table
    assert [table.earliest[i] for i in range(len(table.names))] == [
        cluster.logs[name].start for name in table.names
    ]


@pytest.mark.parametrize(
    ("commit", "expected"), [(3, (2, "ok")), (5, (0, "ok")), (7, (0, "ok")), (9, (None, "beyond"))]
)
def test_past_the_last_stable_offset_is_not_past_the_end(
    cluster: SimulatedCluster, commit: int, expected: tuple[int | None, str]
) -> None:
    cluster.produce("orders", count=8)
    cluster.logs["orders", 0].stable_end = 5
    cluster.commit("billing", "orders", 0, commit)
    watch = Watch(cluster, read_committed="^billing$", keep_failing_seconds=20)
    watch.run(60)
    assert (watch.lag("billing", "orders"), watch.status("billing")) == expected


@pytest.mark.parametrize("seed", range(20))
def test_no_clock_of_another_record_makes_a_wait_longer(seed: int) -> None:
    """Records from before the start, some with old timestamps, and groups that come to them in any order."""
    dice, cluster = random.Random(seed), SimulatedCluster()
    cluster.topic("orders")
    began = cluster.now
    for _ in range(12):
        cluster.produce("orders", at=(at := began + cluster.logs["orders", 0].end), stamped=dice.choice(
            (at, at, at - dice.uniform(1, 5), at - dice.uniform(10, 86400))
        ))  # fmt: skip
        cluster.now = at + 1
    watch = Watch(cluster)
    watch.run(3)
    log = cluster.logs["orders", 0]
    for offset in dice.sample(range(12), 12):
        cluster.commit(f"at {offset}", "orders", 0, offset)
        watch.run(dice.choice((0, 1, 3)))
    watch.run(15)
    for offset in range(12):
        latest = max(log.stamped[: offset + 1])
        assert watch.waited(f"at {offset}", "orders") == pytest.approx(cluster.now - latest, abs=1), offset


@pytest.mark.parametrize("commit", [0, 3, 10])
@pytest.mark.parametrize("rounds", [1, 3])
def test_what_comes_after_all_was_removed_waits(commit: int, rounds: int) -> None:
    """At once, before anybody has looked at the record."""
    table, columns, clock = PartitionTable(), GroupColumns(), itertools.count(1000.0, 10.0)
    table.set_topics({"orders": [0]}, next(clock))
    columns.take([TopicPartition("orders", 0, commit)], table, next(clock))

    def look(end: int) -> None:
        now = next(clock)
        table.set_end(0, end, now - 0.5, now)
        columns.measure(table, now, read_committed=False, patience=60)

    look(0)
    for end in range(20, 20 * rounds + 1, 20):
        look(end)
        table.set_start(0, end)
        look(end)
        look(end + 2)
        look(end + 2)
        assert columns.seconds == [pytest.approx(15, abs=6)]
