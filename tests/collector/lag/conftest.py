"""Clusters that odd things are done to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lagkit import SecondBroker
from servers import KafkaServer

if TYPE_CHECKING:
    from hostilekit import HostileCluster

_WITH_SHARE_GROUPS = {
    "group.coordinator.rebalance.protocols": "classic,consumer,share",
    "unstable.api.versions.enable": "true",
    "unstable.feature.versions.enable": "true",
    # Members that aren't asked to do anything stay connected.
    "connections.max.idle.ms": "86400000",
}


@pytest.fixture
def hostile_cluster(kafka_server: Callable[..., KafkaServer], tmp_path: Path) -> Iterator[HostileCluster]:
    """Two brokers of a cluster that does nothing by itself but compact, quickly; all coordinators are the first one's."""
    from hostilekit import HostileCluster  # most tests here need no client of Kafka

    server = kafka_server(
        {
            **_WITH_SHARE_GROUPS,
            "auto.leader.rebalance.enable": "false",
            "group.share.max.session.timeout.ms": "1800000",
            "group.share.session.timeout.ms": "1800000",
            "log.cleaner.backoff.ms": "100",
            "log.initial.task.delay.ms": "100",
            # Groups that have lost their last commit stay until they are deleted.
            "offsets.retention.check.interval.ms": "100000000",
            "group.initial.rebalance.delay.ms": "0",
            "group.consumer.max.session.timeout.ms": "1800000",
            "group.consumer.session.timeout.ms": "1800000",
        }
    )
    second = SecondBroker(tmp_path / "second", server, properties=_WITH_SHARE_GROUPS)
    try:
        with closing(HostileCluster(server.bootstrap_servers, second)) as cluster:
            yield cluster
    finally:
        second.kill()
