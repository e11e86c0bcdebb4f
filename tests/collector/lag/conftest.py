"""Clusters that odd things are done to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from servers import KafkaServer

if TYPE_CHECKING:
    from hostilekit import HostileCluster


@pytest.fixture
def hostile_cluster(kafka_server: Callable[..., KafkaServer]) -> Iterator[HostileCluster]:
    """A Kafka of its own that does nothing by itself but compact, quickly."""
    from hostilekit import HostileCluster  # most tests here need no client of Kafka

    server = kafka_server(
        {
            "log.cleaner.backoff.ms": "100",
            "log.initial.task.delay.ms": "100",
            # Groups that have lost their last commit stay until they are deleted.
            "offsets.retention.check.interval.ms": "100000000",
            "group.initial.rebalance.delay.ms": "0",
            "group.consumer.max.session.timeout.ms": "1800000",
            "group.consumer.session.timeout.ms": "1800000",
        }
    )
    cluster = HostileCluster(server.bootstrap_servers)
    yield cluster
    cluster.close()
