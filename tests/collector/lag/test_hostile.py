"""A real cluster that odd things are done to: no figure is wrong, no series is there twice, no page is stale."""

import os
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator

import pytest

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.lag import LagPoller, LagSettings
from hostilekit import HostileCluster, Mischief, Oracle, Rules
from pagekit import MetricsPage, Series
from servers import KafkaServer

pytestmark = pytest.mark.servers

CYCLES = int(os.environ.get("HOSTILE_CYCLES", "10000" if os.environ.get("FLOWTRAIL_FULL") == "1" else "300"))
_OWN = "flowtrail_collector_lag_"
_RULES = Rules(window=2.0, patience=1.5, read_committed="rc")
_SETTINGS = LagSettings(
    read_committed="^rc", compat=("kafka_exporter",), window_seconds=_RULES.window, interval_seconds=0.05,
    keep_failing_seconds=_RULES.patience, slow_seconds=0.05, timeout_seconds=30, probes=1000,
)  # fmt: skip
_ABOUT_THE_CLUSTER = ("kafka_brokers", "kafka_broker_info", "kafka_exporter_build_info")


class Watcher:
    """A collector's lag, collected when told to."""

    def __init__(self, bootstrap: str) -> None:
        connection = read_connection(bootstrap, environ={})
        prober = KafkaRecordProber(connection, silence_seconds=0.1)
        self.poller = LagPoller(KafkaLagSource(connection), _SETTINGS, prober=prober)
        self.cycles = 0

    def collect(self) -> tuple[float, float]:
        """Collect once; between which times."""
        began = time.time()
        self.poller.collect()
        self.cycles += 1
        return began, time.time()

    def learn(self) -> None:
        """What a collector does between two collections."""
        self.poller.collection.widen(time.monotonic() + 30)

    def page(self, *, openmetrics: bool = False) -> MetricsPage:
        return MetricsPage(self.poller.metrics.text(openmetrics).decode())


def differences(page: MetricsPage, oracle: Oracle) -> list[str]:
    """What is on the page and shouldn't be, isn't and should, or has another value."""
    expected = oracle.figures()
    shown = {series: value for series, value in page.values.items() if is_compared(series)}
    found = [f"{name(series)} is {shown.get(series)}, not {allowed}" for series, allowed in expected.items()
             if shown.get(series) not in allowed]  # fmt: skip
    return found + [
        f"{name(series)} is {value}, not absent" for series, value in shown.items() if series not in expected
    ]


def is_compared(series: Series) -> bool:
    return not series[0].startswith(_OWN) and series[0] not in _ABOUT_THE_CLUSTER


def name(series: Series) -> str:
    return f"{series[0]}{dict(series[1])}"


def told_apart(watcher: Watcher, page: MetricsPage) -> list[str]:
    """Where the API says something else than the page."""
    found = []
    view = watcher.poller.view
    overview = {group["group"]: group for group in view.overview()["groups"]}
    for group, told in overview.items():
        detail = view.detail(group)
        assert detail is not None
        for key, family in {
            "lag": "kafka_consumergroup_group_sum_lag", "max_lag": "kafka_consumergroup_group_max_lag",
            "lag_at_least": "flowtrail_group_lag_at_least", "members": "flowtrail_group_members",
            "partitions_read": "flowtrail_group_partitions", "known_partitions": "flowtrail_group_known_partitions",
            "orphaned_commits": "flowtrail_group_orphaned_commits", "lag_seconds": "kafka_consumergroup_group_max_lag_seconds",
            "uncommitted_partitions": "flowtrail_group_uncommitted_partitions",
        }.items():  # fmt: skip
            if told[key] != page.one(family, group=group):
                found.append(f"{group!r} {key}: {told[key]}, {page.one(family, group=group)} on the page")
        for row in detail["groups"][0]["partitions"]:
            where = {"topic": row["topic"], "partition": str(row["partition"])}
            mine = {"group": group, **where}
            for value, series in (
                (row["end"], page.one("kafka_partition_latest_offset", **where)),
                (row["offset"], page.one("kafka_consumergroup_group_offset", **mine)),
                (
                    row["lag"] if row["offset"] is not None else None,
                    page.one("kafka_consumergroup_group_lag", **mine),
                ),
            ):
                if value != series and not (group.startswith("rc") and value == row["end"]):
                    found.append(f"{mine}: {value}, {series} on the page")
    return found


@pytest.fixture
def cluster(kafka_server: Callable[..., KafkaServer]) -> Iterator[HostileCluster]:
    server = kafka_server(
        {
            "log.cleaner.backoff.ms": "100",
            # Groups that have lost their last commit stay until they are deleted.
            "offsets.retention.check.interval.ms": "100000000",
            "log.initial.task.delay.ms": "100",
            "group.initial.rebalance.delay.ms": "0",
            "group.consumer.max.session.timeout.ms": "1800000",
            "group.consumer.session.timeout.ms": "1800000",
        }
    )
    cluster = HostileCluster(server.bootstrap_servers)
    yield cluster
    cluster.close()


@pytest.mark.timeout(120 if CYCLES <= 300 else 7200)
def test_no_figure_is_wrong_whatever_is_done(cluster: HostileCluster) -> None:
    seed = int(os.environ.get("HOSTILE_SEED", "0")) or random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    mischief, oracle = Mischief(cluster, seed), Oracle(cluster, _RULES)
    mischief.begin()
    watcher = Watcher(cluster.bootstrap)
    done: deque[str] = deque(maxlen=40)
    began, compared, steps = time.monotonic(), 0, Counter()
    for cycle in range(CYCLES):
        if dice.random() < 0.01:
            watcher.poller.close()
            watcher, _ = Watcher(cluster.bootstrap), oracle.begin()
            done.append("-- another collector")
        for _ in range(dice.choice((0, 0, 1, 1, 1, 2, 4))):
            done.append(mischief.step())
            steps[done[-1].partition(":")[0]] += 1
        cluster.look()
        oracle.memory.look(*watcher.collect())
        cluster.look()
        page = watcher.page()
        wrong = differences(page, oracle) + told_apart(watcher, page)
        compared += len(page.values)
        done.append(f"-- cycle {cycle}")
        assert not wrong, "\n".join([f"seed {seed}, cycle {cycle}", *done, *wrong[:20]])
        watcher.learn()
        if cycle % 50 == 49:
            print(
                f"{cycle + 1} cycles, {(cycle + 1) / (time.monotonic() - began):.1f} a second, {compared} figures",
                flush=True,
            )
    watcher.poller.close()
    print(dict(steps))
