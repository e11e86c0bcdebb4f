"""A real cluster that odd things are done to: no figure is wrong, no series is there twice, no page is stale."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from confluent_kafka import Consumer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.lag import LagPoller, LagSettings
from lagkit import HostileCluster, Truth, explore
from pagekit import MetricsPage
from servers import KafkaServer
from waiting import until

pytestmark = pytest.mark.servers

CYCLES = 10_000 if os.environ.get("FLOWTRAIL_FULL") == "1" else 200
ODD = ["", " ", "a\nb", "a\rb", "a\u2028b", "a\x85b", "a\0b", "a", "\x1b[31m", "%d", '%s {x="y"} 1', "a\\nb", '"', "\\",
       '{{ 7 * 7 }}', "\N{GRINNING FACE}" * 62, "l" * 249, "a\tb", "\ufeff", "e\u0301", "\xe9"]  # fmt: skip
NAMES = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
TOPICS = st.sampled_from(["a", "b.c", "d-e"])
NUMBER, SHARE = st.integers(0, 1000), st.floats(0, 1)
ACTIONS = st.one_of(
    st.tuples(st.just("create"), TOPICS, st.sampled_from(["plain", "plain", "compacted", "hidden"])),
    st.tuples(st.just("produce"), NUMBER, st.integers(1, 30)),
    st.tuples(st.just("transact"), NUMBER, st.integers(1, 5), st.booleans()),
    st.tuples(st.just("cut"), NUMBER, SHARE),
    st.tuples(st.just("commit"), NAMES, NUMBER, SHARE),
    st.tuples(st.just("commit"), NAMES, NUMBER, st.sampled_from([0.0, 1.0])),
    st.tuples(st.just("beyond"), NAMES, NUMBER, st.integers(1, 5)),
    st.tuples(st.just("forget"), NUMBER),
    st.tuples(st.just("delete"), NUMBER),
)
_SECONDS = 1.0


@pytest.fixture
def cluster(kafka_server: Callable[..., KafkaServer]) -> Iterator[HostileCluster]:
    server = kafka_server({"log.cleaner.backoff.ms": "200", "log.initial.task.delay.ms": "100"})
    with closing(HostileCluster(server.bootstrap_servers)) as cluster:
        yield cluster


class Holder:
    """A member that holds a topic with records in it and never commits.

    Args:
        protocol: of its group.
    """

    def __init__(self, cluster: HostileCluster, protocol: str) -> None:
        self.group = f"holder-{protocol}"
        cluster.create_topic(self.group)
        (self.topic,) = [name for name in cluster.topics if name.endswith(self.group)]
        cluster.produce(self.topic, 7)
        self._ended = threading.Event()
        self._consumer = Consumer(
            {"bootstrap.servers": cluster.bootstrap, "group.id": self.group, "group.protocol": protocol,
             "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        )  # fmt: skip
        self._consumer.subscribe([self.topic])
        self._thread = threading.Thread(target=self._poll)
        self._thread.start()
        until(lambda: len(self._consumer.assignment()) == 1, "it holds its partition")

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()

    def _poll(self) -> None:
        while not self._ended.is_set():
            self._consumer.poll(0.1)


class Watched:
    """A poller on the cluster, and what its page says."""

    def __init__(self, cluster: HostileCluster) -> None:
        connection = read_connection(cluster.bootstrap, environ={})
        self.cluster = cluster
        self.poller = LagPoller(
            KafkaLagSource(connection),
            LagSettings(topics=f"^seen-{cluster.mark}", slow_seconds=5.0, timeout_seconds=20.0),
            prober=KafkaRecordProber(connection),
        )

    def close(self) -> None:
        self.poller.close()

    def page(self) -> tuple[MetricsPage, float]:
        """Collect; the page, and when it was."""
        began = time.time()
        self.poller.collect()
        page = MetricsPage(self.poller.metrics.text(openmetrics=False).decode())
        MetricsPage(self.poller.metrics.text(openmetrics=True).decode())
        assert page.values["flowtrail_collector_lag_age_seconds", ()] < time.time() - began + 0.01
        return page, began


def act(cluster: HostileCluster, action: tuple[object, ...]) -> None:
    """Do it, where it can be done."""
    kind, *rest = action
    topics = sorted(name for name in cluster.topics if "holder" not in name)
    if kind == "create":
        cluster.create_topic(*rest)  # type: ignore[arg-type]
    elif kind == "forget":
        if cluster.groups:
            cluster.forget(sorted(cluster.groups)[rest[0] % len(cluster.groups)])  # type: ignore[operator]
    elif topics and kind in ("commit", "beyond"):
        group, number, amount = rest
        topic = topics[number % len(topics)]  # type: ignore[operator]
        share, beyond = (amount, 0) if kind == "commit" else (1.0, amount)
        cluster.commit(group, topic, share, beyond)  # type: ignore[arg-type]
    elif topics:
        topic = topics[rest[0] % len(topics)]  # type: ignore[operator]
        if kind == "produce":
            cluster.produce(topic, rest[1])  # type: ignore[arg-type]
        elif kind == "transact":
            if cluster.topics[topic].kind != "compacted":
                cluster.transact(topic, rest[1], abort=rest[2])  # type: ignore[arg-type]
        elif kind == "cut":
            if cluster.topics[topic].kind != "compacted":
                cluster.cut(topic, rest[1])  # type: ignore[arg-type]
        else:
            cluster.delete_topic(topic)


def check(watched: Watched, page: MetricsPage, began: float, *, seconds: bool) -> None:
    """Hold a page to the truth."""
    cluster = watched.cluster
    for group in sorted(cluster.groups):
        if group == "":
            assert [dict(labels)["scope"] for labels in page.all("flowtrail_collector_lag_failure")
                    if dict(labels)["name"] == ""] == ["group"]  # fmt: skip
        if group == "" or "\0" in group:
            continue
        truth = cluster.truth(group)
        if truth:
            check_group(watched, page, began, group, truth, seconds=seconds)
    shown = {dict(labels)["group"] for labels in page.all("flowtrail_group_info")}
    # librdkafka ends names at a NUL; which of those are stumps is known within a minute.
    stumps = {group.partition("\0")[0] for group in cluster.groups}
    assert shown <= cluster.groups | stumps | {"holder-classic", "holder-consumer"}


def check_group(
    watched: Watched, page: MetricsPage, began: float, group: str, truth: dict[tuple[str, int], Truth], *, seconds: bool
) -> None:
    """Its partitions, its sums, and that the API says the same."""
    assert (page.one("flowtrail_group_read_at_seconds", group=group) or 0) >= began - 0.002
    seen = {place: each for place, each in truth.items() if watched.cluster.topics[place[0]].kind != "hidden"}
    lags = {}
    for (topic, number), each in seen.items():
        labels = {"group": group, "topic": topic, "partition": str(number)}
        assert page.one("kafka_consumergroup_group_offset", **labels) == each.commit
        assert page.one("kafka_partition_latest_offset", topic=topic, partition=str(number)) == each.end
        lags[topic] = page.one("kafka_consumergroup_group_lag", **labels)
        assert lags[topic] in each.lags, (group, topic, each, lags)
        waited = page.one("kafka_consumergroup_group_lag_seconds", **labels)
        if seconds and each.waits is not None:
            least, most = each.waits
            assert waited is not None, (group, topic, each)
            assert least - _SECONDS - (time.time() - began) <= waited <= most + _SECONDS, (group, topic, each, waited)
    total = page.one("kafka_consumergroup_group_sum_lag", group=group)
    known = [lag for lag in lags.values() if lag is not None]
    assert total == (sum(known) if len(known) == len(truth) else None), (group, lags, truth)
    if truth:
        assert page.one("flowtrail_group_partitions", group=group) == len(truth)
        assert page.one("flowtrail_group_known_partitions", group=group) == len(known)
        least_lag = page.one("flowtrail_group_lag_at_least", group=group)
        assert least_lag is not None
        assert sum(known) <= least_lag <= sum(max(0, each.end - each.commit) for each in truth.values())
    (told,) = watched.poller.view.detail(group)["groups"]  # type: ignore[index]
    assert told["lag"] == total
    assert {row["topic"]: row["lag"] for row in told["partitions"]} == lags
    assert {row["topic"]: row["end"] for row in told["partitions"]} == {place[0]: each.end for place, each in seen.items()}


def check_holder(page: MetricsPage, holder: Holder) -> None:
    """What is unread isn't known, so nothing is told as if it were."""
    assert page.one("kafka_consumergroup_group_sum_lag", group=holder.group) is None
    assert page.one("flowtrail_group_status", group=holder.group) is None
    assert page.one("flowtrail_group_uncommitted_partitions", group=holder.group) == 1
    assert page.one("flowtrail_group_uncommitted_lag", group=holder.group, start="earliest") == 7
    assert page.one("flowtrail_group_uncommitted_lag", group=holder.group, start="latest") == 0


def test_no_figure_is_wrong_whatever_is_done(cluster: HostileCluster) -> None:
    holders = [Holder(cluster, protocol) for protocol in ("classic", "consumer")]
    done = 0

    @settings(max_examples=CYCLES // 10, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.lists(st.tuples(st.floats(1, 1e6), st.integers(1, 40)), max_size=2), st.lists(ACTIONS, min_size=8, max_size=16))
    def run(before: list[tuple[float, int]], actions: list[tuple[object, ...]]) -> None:
        nonlocal done
        if done >= CYCLES:
            return
        for name, (age, count) in zip(("a", "d-e"), before, strict=False):
            cluster.create_topic(name)
            cluster.produce(f"seen-{cluster.mark}-{name}", count, age)
        with closing(Watched(cluster)) as watched:
            watched.poller.collect()
            explore(watched.poller)
            for action in actions:
                act(cluster, action)
                page, began = watched.page()
                check(watched, page, began, seconds=False)
                explore(watched.poller)
                page, began = watched.page()
                check(watched, page, began, seconds=True)
                for holder in holders:
                    check_holder(page, holder)
                done += 2
        held = {holder.topic: cluster.topics.pop(holder.topic) for holder in holders}
        cluster.clear()
        cluster.topics.update(held)

    try:
        run()
    finally:
        for holder in holders:
            holder.close()
    assert done >= CYCLES
