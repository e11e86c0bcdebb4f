"""kafka-python: a join that ends while nobody polls."""

import time
from collections.abc import Callable, Collection

from flowtrail.clients._kafka_python import KafkaPythonClient
from flowtrail.clients._port import Partition, Subscription
from waiting import Deadline


class Owned:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.partitions: list[Partition] = []

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.partitions += partitions

    def revoked(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        return {}

    def lost(self, partitions: Collection[Partition]) -> None: ...


def test_a_join_that_ends_between_two_polls_is_kept(devbroker: str, topic: Callable[..., str]) -> None:
    owned = Owned()
    consumer = KafkaPythonClient(devbroker).open_consumer(
        [Subscription(topic("in"))], "g", owned, start="earliest"
    )
    try:
        coordinator = consumer._consumer._coordinator  # type: ignore[attr-defined]
        deadline = Deadline(20)
        # Polls too short for the join to end in one of them; the first one only gets a member id.
        joining = None
        while joining is None or joining.exception is not None:
            assert not deadline.passed
            consumer.poll(0.0, 10)
            joining = coordinator._join_task
            while joining is not None and not joining.is_done:
                assert not deadline.passed
                time.sleep(0.01)
        generation = coordinator._generation.generation_id
        while not owned.partitions:
            assert not deadline.passed
            consumer.poll(1.0, 10)
        assert coordinator._generation.generation_id == generation
    finally:
        consumer.close(5)
