"""Two real brokers, one of which goes away: what the other one knows stays fresh."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka.admin import KafkaAdminClient, NewTopic

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.lag import LagPoller, LagSettings
from lagkit import SecondBroker, SlowProxy, pair_lag
from servers import KafkaServer
from waiting import scaled, until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

HERE, AWAY = 1, 2


def fill(bootstrap: str) -> None:
    """A topic on each broker with ten records, and groups that have read four of each."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    topics = [
        NewTopic("here", replica_assignments={0: [HERE]}),
        NewTopic("away", replica_assignments={0: [AWAY]}),
    ]
    admin.create_topics(topics)
    admin.wait_for_topics(["here", "away"])
    write(bootstrap, "here", 10)
    write(bootstrap, "away", 10)
    for number in range(6):
        commit(bootstrap, f"group-{number}", here=4, away=4)
    admin.close()


def write(bootstrap: str, topic: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for _ in range(count):
        producer.produce(topic, b"x", partition=0)
    assert producer.flush(scaled(20)) == 0


def commit(bootstrap: str, group: str, **offsets: int) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(t, 0, at) for t, at in offsets.items()], asynchronous=False)
    consumer.close()


def coordinators(bootstrap: str) -> dict[str, int]:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    asked = admin.describe_consumer_groups([f"group-{number}" for number in range(6)])
    return {name: future.result(scaled(20)).coordinator.id for name, future in asked.items()}


@contextmanager
def running(poller: LagPoller) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=poller.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(scaled(20))
    assert not thread.is_alive()


@pytest.fixture
def proxy() -> Iterator[SlowProxy]:
    proxy = SlowProxy()
    yield proxy
    proxy.close()


@pytest.mark.slow(35)
def test_one_of_two_brokers_is_slow_then_goes_away_and_comes_back(
    kafka_server: Callable[..., KafkaServer],
    tmp_path: Path,
    proxy: SlowProxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    first = kafka_server(alone=False)
    bootstrap = first.bootstrap_servers
    second = SecondBroker(tmp_path / "second", first, proxy)
    second.start()
    try:
        fill(bootstrap)
        at = coordinators(bootstrap)
        mine = [group for group, broker in at.items() if broker == HERE]
        theirs = [group for group, broker in at.items() if broker == AWAY]
        assert mine
        assert theirs
        connection = read_connection(bootstrap, environ={})
        poller = LagPoller(
            KafkaLagSource(connection),
            LagSettings(interval_seconds=0.5, keep_failing_seconds=8),
            prober=KafkaRecordProber(connection),
        )
        lag = partial(pair_lag, poller.view)
        with running(poller):
            until(lambda: all(lag(group, topic, 0) == 6 for group in at for topic in ("here", "away")))
            proxy.delay = 30
            until(lambda: poller.view.overview()["failures"])
            commit(bootstrap, mine[0], here=5)
            until(lambda: lag(mine[0], "here", 0) == 5)
            proxy.delay = 0
            until(lambda: not poller.view.overview()["failures"])
            until(lambda: all(lag(group, "away", 0) == 6 for group in at))
            caplog.clear()

            second.kill()
            killed = time.monotonic()
            # Groups whose coordinator is gone keep their last figures for a while, and are told of.
            until(lambda: poller.view.overview()["failures"])
            failing = 'failing{{scope="group"}} {}\n'
            until(lambda: failing.format(len(theirs)).encode() in poller.metrics.text(False))

            # The others stay fresh, and so does what their broker leads.
            write(bootstrap, "here", 3)
            commit(bootstrap, mine[0], here=12)
            until(lambda: lag(mine[0], "here", 0) == 1)
            assert lag(mine[0], "away", 0) is None
            age = time.time() - (poller.view.collected_at or 0)
            assert age < 8
            # Then they are still listed, without a figure.
            until(lambda: (gone := poller.view.reading(theirs[0])) is None or gone.sum_lag is None)
            assert time.monotonic() - killed > 7
            page = poller.metrics.text(False).decode()
            assert (
                f'kafka_consumergroup_group_lag{{group="{mine[0]}",topic="here",partition="0"}} 1\n' in page
            )
            assert f'kafka_consumergroup_group_lag{{group="{theirs[0]}"' not in page
            assert f'kafka_consumergroup_group_sum_lag{{group="{theirs[0]}"' not in page
            lines = [r.getMessage() for r in caplog.records if r.name == "flowtrail_collector.lag"]
            for group in theirs:
                assert sum(f"lag of group {group}: " in line for line in lines) == 1, lines

            second.start()
            until(lambda: lag(theirs[0], "here", 0) == 9 and lag(theirs[0], "away", 0) == 6)
            until(lambda: not poller.view.overview()["failures"])
            until(lambda: failing.format(0).encode() in poller.metrics.text(False))
            print(f"{len(mine)} groups stayed, {len(theirs)} went and came back")
    finally:
        second.kill()
