"""aiokafka tries commits again by itself: one that was given up never undoes a later one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest
from aiokafka.errors import GroupLoadInProgressError

from flowtrail.clients import ClientError, Partition, choose_client
from instrumentation.delivery.ground import ground_of
from waiting import scaled, until

pytestmark = pytest.mark.slow


class Listener:
    def __init__(self) -> None:
        self.owned: set[Partition] = set()
        self.last: Mapping[Partition, int] = {}

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.owned.update(partitions)

    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return self.last

    def lost(self, partitions: Collection[Partition]) -> None:
        self.owned.difference_update(partitions)


@pytest.mark.parametrize("given_up", [1, 2])
@pytest.mark.parametrize("later", ["commit", "listener"])
def test_a_later_commit_stands(
    broker: str, topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch, given_up: int, later: str
) -> None:
    name, listener = topic("orders"), Listener()
    with ground_of(broker) as ground:
        ground.create(name, partitions=1)
        ground.publish(name, range(10))
        consumer: Any = choose_client("aiokafka", broker).open_consumer(
            [name], name, listener, start="earliest"
        )
        try:
            until(lambda: consumer.poll(0.2, 100) or listener.owned, "the partition")
            (partition,) = listener.owned
            coordinator = consumer._consumer._coordinator
            real, done = coordinator._do_commit_offsets, []

            async def while_the_group_is_loaded(assignment: Any, offsets: Any) -> None:
                (found,) = [offset.offset for offset in offsets.values()]
                if found < 9 and 9 not in done:
                    raise GroupLoadInProgressError
                await real(assignment, offsets)
                done.append(found)

            coordinator._do_commit_offsets = while_the_group_is_loaded
            with monkeypatch.context() as patience:
                patience.setattr("flowtrail.clients._aiokafka_consumer.CALL_SECONDS", 0.3)
                for number in range(given_up):
                    with pytest.raises(ClientError, match="does not answer a commit"):
                        consumer.commit({partition: 5 + number})
            if later == "commit":
                consumer.commit({partition: 9})
            else:  # a rebalance commits on the loop itself
                listener.last = {partition: 9}
                revoking = consumer._submit(consumer.listener().on_partitions_revoked([partition]))
                assert consumer._serve(revoking, scaled(30))
            until(lambda: not _commits(consumer), "the end of all commits", 20)
            assert ground.committed(name, name) == {0: 9}
        finally:
            consumer.close(scaled(10))


def _commits(consumer: Any) -> list[Any]:
    """Commits that still go on."""
    tasks = asyncio.all_tasks(consumer._thread.loop)
    return [task for task in tasks if getattr(task.get_coro(), "__name__", "") == "_commit"]
