"""Groups whose names librdkafka can't take, on a real Kafka."""

import sys

import pytest

from hostilekit import FIRST, HostileCluster, Watcher
from pagekit import MetricsPage
from waiting import until

pytestmark = pytest.mark.servers

# A NUL ends a name for librdkafka: each of these looks like the one before it.
NAMES = ("", "\0", "\0\0", "a", "a\0b", "a\0c", "b\0")


def fill(cluster: HostileCluster) -> dict[str, int]:
    """Commits of all these groups; how far behind each is."""
    cluster.create_topic("orders", [(FIRST,)])
    cluster.produce(("orders", 0), 20, lambda now: now, None)
    for offset, name in enumerate(NAMES):
        cluster.commit(name, ("orders", 0), offset)
    return {name: 20 - offset for offset, name in enumerate(NAMES)}


def page_of(watcher: Watcher) -> MetricsPage:
    watcher.collect()
    watcher.learn()
    return watcher.page()


def lags(page: MetricsPage) -> dict[str, float]:
    return {
        dict(labels)["group"]: lag for labels, lag in page.all("kafka_consumergroup_group_sum_lag").items()
    }


def test_they_have_lag_like_all_others(hostile_cluster: HostileCluster) -> None:
    behind = fill(hostile_cluster)
    watcher = Watcher(hostile_cluster.bootstrap)
    until(lambda: lags(page_of(watcher)) == behind, lambda: lags(page_of(watcher)))
    page = page_of(watcher)
    assert page.all("flowtrail_collector_lag_failure") == {}
    assert {dict(labels)["group"] for labels in page.all("flowtrail_group_info")} == set(NAMES)
    hostile_cluster.commit("a\0b", ("orders", 0), 20)
    hostile_cluster.commit("", ("orders", 0), 19)
    assert lags(page_of(watcher)) == behind | {"a\0b": 0, "": 1}
    watcher.close()


def test_without_kafka_python_the_reason_is_told(
    hostile_cluster: HostileCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = fill(hostile_cluster)
    monkeypatch.setitem(sys.modules, "kafka.admin", None)
    watcher = Watcher(hostile_cluster.bootstrap)
    page_of(watcher)
    page = page_of(watcher)
    # Those with a NUL aren't even listed.
    assert lags(page)["a"] == behind["a"]
    assert "" not in lags(page)
    reasons = {
        dict(labels)["name"]: dict(labels)["reason"] for labels in page.all("flowtrail_collector_lag_failure")
    }
    assert reasons == {
        "": "its name is empty: librdkafka can't ask about it, and kafka-python is not installed"
    }
    watcher.close()
