"""Since when a group is in trouble: from its commits, its members and what it left unread, not from when it was judged."""

from __future__ import annotations

import pytest

from lagkit import SimulatedCluster, Watch

WINDOW = 60.0
INTERVAL = 5.0


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = SimulatedCluster()
    cluster.topic("orders")
    cluster.commit("billing", "orders", 0, 0)
    return cluster


class Billing:
    """Reads what it is behind, until it stops."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.cluster, self.reads, self.read_at, self.writes = cluster, True, cluster.now, True

    def tick(self, now: float) -> None:
        if self.writes:
            self.cluster.produce("orders")
        if self.reads:
            self.read_at = now
            self.cluster.commit("billing", "orders", 0, self.cluster.logs["orders", 0].end)


def since(watch: Watch) -> float | None:
    return watch.readings["billing"].since


@pytest.mark.parametrize("state", ["stable", "empty"])
def test_one_that_stopped_is_in_trouble_since_its_last_commit(cluster: SimulatedCluster, state: str) -> None:
    watch, billing = Watch(cluster, window_seconds=WINDOW), Billing(cluster)
    watch.run(30, billing.tick)
    assert since(watch) is None
    billing.reads, cluster.consumers["billing"].state = False, state
    began = billing.read_at
    watch.run(WINDOW, billing.tick)
    seen = []
    for _ in range(4):
        watch.run(WINDOW, billing.tick)
        seen.append(since(watch))
    assert seen == [pytest.approx(began, abs=INTERVAL)] * 4
    cluster.consumers["billing"].state, billing.reads = "stable", True
    watch.run(30, billing.tick)
    assert since(watch) is None


@pytest.mark.parametrize("state", ["stable", "empty"])
def test_one_that_stood_still_before_anybody_looked_is_so_since_the_oldest_it_left_unread(
    cluster: SimulatedCluster, state: str
) -> None:
    billing = Billing(cluster)
    cluster.now += 10
    began = cluster.now
    cluster.produce("orders")
    cluster.consumers["billing"].state = state
    cluster.now += 300
    billing.reads = False
    watch = Watch(cluster, window_seconds=WINDOW)
    watch.run(2 * WINDOW, billing.tick)
    assert since(watch) == pytest.approx(began, abs=INTERVAL)


def test_one_whose_members_left_before_anything_came_has_been_in_trouble_since_they_left(
    cluster: SimulatedCluster,
) -> None:
    watch, billing = Watch(cluster, window_seconds=WINDOW), Billing(cluster)
    watch.run(30, billing.tick)
    billing.writes = billing.reads = False
    cluster.consumers["billing"].state = "empty"
    left = cluster.now
    watch.run(200, billing.tick)
    assert (watch.status("billing"), since(watch)) == ("ok", None)
    billing.writes = True
    watch.run(10, billing.tick)
    assert watch.status("billing") == "stopped"
    assert since(watch) == pytest.approx(left, abs=INTERVAL)
