"""aiokafka assigns and fetches on a loop of its own; the thread that polls hears of both in the right order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowtrail.clients import Partition, Subscription, choose_client
from instrumentation.clients.contract import Owned
from instrumentation.delivery.ground import ground_of
from waiting import scaled, until

pytestmark = pytest.mark.slow


def test_whose_records_they_are_is_said_before_they_come(broker: str, topic: Callable[..., str]) -> None:
    name, listener = topic("orders"), Owned()
    with ground_of(broker) as ground:
        ground.create(name, partitions=1)
        ground.publish(name, range(10))
        consumer: Any = choose_client("aiokafka", broker).open_consumer(
            [Subscription(name)], name, listener, start="earliest"
        )
        try:
            # Fetched while the thread that polls was busy: nobody has told the listener yet.
            consumer._getting = consumer._submit(consumer._get(scaled(30), 100))
            until(consumer._getting.done, "records")
            assert listener.partitions == set()
            assert len(consumer.poll(0, 100)) == 10
            assert listener.partitions == {Partition(name, 0)}
        finally:
            consumer.close(scaled(10))
