"""What can't be looked at for a while: alarms neither end nor begin by that, and what follows is known as ever."""

from collections.abc import Callable

import pytest

from lagkit import SimulatedCluster, Watch

WINDOW, PATIENCE = 30, 20
PLACE = "orders", 0


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = SimulatedCluster()
    cluster.topic("orders")
    cluster.produce("orders", count=10)
    return cluster


def stalled(cluster: SimulatedCluster) -> None:
    cluster.commit("billing", *PLACE, 4)


def stopped(cluster: SimulatedCluster) -> None:
    cluster.commit("billing", *PLACE, 4)
    cluster.consumers["billing"].state = "empty"


def losing(cluster: SimulatedCluster) -> None:
    cluster.commit("billing", *PLACE, 2)
    cluster.logs[PLACE].start = 5


def beyond(cluster: SimulatedCluster) -> None:
    cluster.commit("billing", *PLACE, 12)


def uncommitted(cluster: SimulatedCluster) -> None:
    cluster.topic("other")
    cluster.commit("billing", "other", 0, 0)
    cluster.consumers["billing"].assigned = frozenset({PLACE, ("other", 0)})


def without_leader(cluster: SimulatedCluster) -> None:
    cluster.logs[PLACE].leader = -1
    cluster.failing_brokers = {-1}


def without_answer(cluster: SimulatedCluster) -> None:
    cluster.logs[PLACE].leader = 2
    cluster.failing_brokers = {2}


def denied(cluster: SimulatedCluster) -> None:
    cluster.failing_topics = {"orders"}


def over(cluster: SimulatedCluster) -> None:
    cluster.logs[PLACE].leader = 1
    cluster.failing_brokers, cluster.failing_topics = set(), set()


def watch(cluster: SimulatedCluster, **settings: object) -> Watch:
    return Watch(cluster, window_seconds=WINDOW, keep_failing_seconds=PATIENCE, slow_seconds=5, **settings)


OUTAGES = [without_leader, without_answer, denied]


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("alarm", [stalled, stopped, losing, beyond, uncommitted])
def test_an_alarm_outlasts_an_outage(
    cluster: SimulatedCluster,
    alarm: Callable[[SimulatedCluster], None],
    outage: Callable[[SimulatedCluster], None],
) -> None:
    alarm(cluster)
    it = watch(cluster)
    shown: list[str | None] = []
    it.run(2 * WINDOW)
    for change in (outage, over):
        change(cluster)
        it.run(2 * WINDOW, lambda now: shown.append(it.status("billing")))
    assert set(shown) == {alarm.__name__}


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize(
    ("committed", "before"), [(10, 2 * WINDOW), (12, PATIENCE // 2)], ids=["at the end", "just past it"]
)
def test_no_alarm_begins_with_an_outage(
    cluster: SimulatedCluster, outage: Callable[[SimulatedCluster], None], committed: int, before: int
) -> None:
    cluster.commit("billing", *PLACE, committed)
    it = watch(cluster)
    it.run(before)
    assert it.status("billing") == "ok"
    outage(cluster)
    it.run(5)
    assert it.status("billing") is None
    cluster.commit("billing", *PLACE, 10)
    it.run(2 * WINDOW)
    assert it.status("billing") is None
    over(cluster)
    it.run(5)
    assert it.status("billing") == "ok"


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_empty_partition_held_without_a_commit_gives_no_alarm(
    cluster: SimulatedCluster, outage: Callable[[SimulatedCluster], None]
) -> None:
    uncommitted(cluster)
    cluster.logs[PLACE].start = 10
    it = watch(cluster)
    it.run(2 * WINDOW)
    assert it.status("billing") == "ok"
    outage(cluster)
    it.run(2 * WINDOW)
    assert (it.status("billing"), it.readings["billing"].sum_lag) == (None, None)
    over(cluster)
    it.run(5)
    assert (it.status("billing"), it.readings["billing"].sum_lag) == ("ok", 0)


@pytest.mark.parametrize("outage", OUTAGES)
def test_waits_of_before_the_start_are_known_after_an_outage_that_was_there_first(
    cluster: SimulatedCluster, outage: Callable[[SimulatedCluster], None]
) -> None:
    cluster.commit("billing", *PLACE, 0)
    cluster.now += 600
    outage(cluster)
    it = watch(cluster, probing=False)
    it.run(60)
    assert it.waited("billing", *PLACE) is None if outage is not denied else not it.readings["billing"].pairs
    over(cluster)
    it.run(10)
    assert it.waited("billing", *PLACE) == pytest.approx(670, rel=0.1)


@pytest.mark.parametrize("types", [("classic", "share"), ("share", "classic")])
def test_a_group_of_another_type_under_the_same_name_begins_anew(
    cluster: SimulatedCluster, types: tuple[str, str]
) -> None:
    cluster.commit("billing", *PLACE, 4)
    it = watch(cluster)
    for kind in types:
        cluster.consumers["billing"].type = kind
        it.run(2 * WINDOW)
        reading = it.readings["billing"]
        told = reading.sum_lag, reading.status, list(reading.pairs), reading.members
        assert reading.type == kind
        assert told == ((None, None, [], None) if kind == "share" else (6, 3, [PLACE], 1))


@pytest.mark.parametrize("kind", ["classic", "consumer", "streams", "share", "unknown"])
def test_the_state_of_a_group_of_any_type_is_that_of_the_last_listing(
    cluster: SimulatedCluster, kind: str
) -> None:
    cluster.commit("billing", *PLACE, 4)
    cluster.consumers["billing"].type = kind
    it = watch(cluster)
    for state in ("stable", "preparing_rebalance", "empty", "stable", "empty"):
        cluster.consumers["billing"].state = state
        it.run(5)
        assert it.readings["billing"].state == state


@pytest.mark.parametrize("come", [(), ("b", "y")])
@pytest.mark.parametrize("go", [("a",), ("z",), ("a", "z"), ()])
def test_topics_come_and_go_while_a_group_cannot_be_read(
    cluster: SimulatedCluster, go: tuple[str, ...], come: tuple[str, ...]
) -> None:
    for name in ("a", "z"):
        cluster.topic(name)
        cluster.produce(name, count=10)
    for name in ("a", "orders", "z"):
        cluster.commit("billing", name, 0, 4)
    cluster.commit("shipping", *PLACE, 7)
    watch = Watch(cluster, probes=100)
    watch.collect()
    cluster.now += WINDOW
    watch.collect()
    cluster.failing_groups = {"billing"}
    for name in go:
        cluster.delete(name)
    for name in come:
        cluster.topic(name)
    cluster.produce("orders", count=5)
    cluster.commit("shipping", *PLACE, 8)
    cluster.probed.clear()
    for _ in range(3):
        cluster.now += WINDOW
        watch.collect()
    # The others' records are looked at as ever.
    assert cluster.probed == [("orders", 0, 8)]
    cluster.failing_groups = set()
    cluster.now += 1
    watch.collect()
    assert (watch.lag("billing", "orders"), watch.lag("shipping", "orders")) == (11, 7)
    assert [pair[0] for pair in watch.readings["billing"].pairs] == sorted({"a", "orders", "z"} - {*go})
