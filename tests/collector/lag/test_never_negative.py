"""No lag is ever negative or NaN, whatever happens between two reads of one collection."""

import math
import random

import pytest

from lagkit import SimulatedCluster, Watch


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_beside_clients_that_write_commit_and_break_things(
    cycles: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")
    dice = random.Random(3)
    cluster = SimulatedCluster()
    topics = ["orders", "payments", "audit"]
    groups = ["billing", "shipping", "reports"]
    for topic in topics:
        cluster.topic(topic, 2)

    def happen(what: str) -> None:
        """Clients go on while a collection reads: after any of its requests anything may have changed."""
        for _ in range(dice.choice((0, 1, 1, 2))):
            topic, partition, group = dice.choice(topics), dice.randrange(2), dice.choice(groups)
            log = cluster.logs.get((topic, partition))
            if log is None:
                cluster.topic(topic, 2)
                continue
            event = dice.random()
            if event < 0.5:
                stamped = cluster.now + dice.uniform(-1e5, 1e5)
                cluster.produce(topic, partition, dice.randrange(20), stamped=stamped)
            elif event < 0.9:
                cluster.commit(group, topic, partition, log.end)
            elif event < 0.93:
                cluster.commit(group, topic, partition, dice.randrange(log.end + 1))
            elif event < 0.94:
                cluster.commit(group, topic, partition, log.end + dice.randrange(5))
            elif event < 0.95:
                cluster.delete(topic)
            elif event < 0.96:
                log.end = dice.randrange(log.start, log.end + 1)
                cluster.compact(topic, partition, log.end.__gt__)
            elif event < 0.97:
                log.start = dice.randrange(log.start, log.end + 1)
            elif event < 0.98:
                cluster.consumers.pop(group, None)
            else:
                cluster.failing_groups ^= {group}
                cluster.failing_topics ^= {dice.choice(topics)} if dice.random() < 0.3 else set()

    cluster.on_read = happen
    watch = Watch(cluster, probing=False, window_seconds=30, keep_failing_seconds=10)
    seen = 0
    for cycle in range(cycles):
        cluster.now += dice.uniform(0, 3)
        readings = watch.collection.run()
        if cycle % 10 == 0:
            watch.collection.widen(math.inf)
        for reading in readings:
            numbers = [
                *reading.commits, *reading.lags, *reading.seconds, reading.sum_lag, reading.max_lag,
                reading.max_seconds, *reading.topics.sum_lags, *reading.topics.catch_up_seconds,
                *reading.topics.margins, *reading.topics.lost,
            ]  # fmt: skip
            known = [number for number in numbers if number is not None]
            seen += len(known)
            assert all(number >= 0 for number in known), reading
            assert len(reading.pairs) == len(reading.lags) == len(reading.seconds) == len(reading.statuses)
    assert seen > 10 * cycles
