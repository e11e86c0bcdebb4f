"""What retention removed before it was read is counted once, wherever the group goes back to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.lag.model import Losses, PartitionHistory
from lagkit import SimulatedCluster, Watch

_PLACE = ("orders", 0)
_MOVES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=30)


@given(_MOVES)
def test_each_offset_counts_once(moves: list[tuple[int, int]]) -> None:
    losses, history, start, gone = Losses(), PartitionHistory(), 0, set[int]()
    for commit, removed in moves:
        start += removed
        if commit < start:
            assert losses.count(_PLACE, commit, start, history)
            gone |= set(range(commit, start))
        assert losses.by_topic.get("orders", 0) == len(gone)


@given(_MOVES)
def test_offsets_that_hold_no_record_never_count(moves: list[tuple[int, int]]) -> None:
    losses, history, start, gone = Losses(), PartitionHistory(), 0, set[int]()
    history.begin(0, 0.0)
    history.observe(1000, 0.0, 1.0)
    holes = range(10, 20)
    history.learn_first(holes.start, holes.stop, 1.0, is_record=True)
    for commit, removed in moves:
        start += removed
        if commit < start:
            lost = set(range(commit, start)) - set(holes)
            assert losses.count(_PLACE, commit, start, history) == bool(lost)
            gone |= lost
        assert losses.by_topic.get("orders", 0) == len(gone)


def test_a_recreated_log_loses_its_own_records() -> None:
    losses, history = Losses(), PartitionHistory()
    for end in (50, 20, 15):
        history.observe(end, 0.0, 1.0)
        losses.count(_PLACE, 0, 10, history)
    losses.count(_PLACE, 0, 10, PartitionHistory())
    assert losses.by_topic == {"orders": 40}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=30))
def test_what_a_broker_brings_back_is_lost_once(moves: list[tuple[int, int]]) -> None:
    """Who is killed may have forgotten where its logs had been cut."""
    losses, history, gone = Losses(), PartitionHistory(), set[int]()
    for commit, start in moves:
        if commit < start:
            losses.count(_PLACE, commit, start, history)
            gone |= set(range(commit, start))
        assert losses.by_topic.get("orders", 0) == len(gone)


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = SimulatedCluster()
    cluster.topic("orders", 2)
    return cluster


def test_who_goes_back_to_what_is_gone_lost_it_once(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=200)
    cluster.commit("billing", "orders", 0, 10)
    cluster.logs["orders", 0].start = 50
    watch = Watch(cluster, slow_seconds=5)
    watch.run(20)
    for commit, lost in ((60, 40), (10, 40), (0, 50), (200, 50), (0, 50)):
        cluster.commit("billing", "orders", 0, commit)
        watch.run(20)
        assert list(watch.readings["billing"].topics.lost) == [lost]


def test_who_commits_again_after_its_commit_was_deleted_lost_it_once(cluster: SimulatedCluster) -> None:
    cluster.produce("orders", count=200)
    cluster.commit("billing", "orders", 0, 10)
    cluster.commit("billing", "orders", 1, 0)
    cluster.logs["orders", 0].start = 50
    watch = Watch(cluster, slow_seconds=5)
    watch.run(20)
    del cluster.consumers["billing"].commits["orders", 0]
    watch.run(20)
    cluster.commit("billing", "orders", 0, 10)
    watch.run(20)
    assert list(watch.readings["billing"].topics.lost) == [40]
