"""How a group is, told to whoever waits for it: Kafka's group of that name, or its queues on RabbitMQ."""

import pytest

from flowtrail_collector.lag.model import GroupReading, Status
from flowtrail_collector.lag.view import LagView


def reading(group: str, lag: int, status: Status) -> GroupReading:
    return GroupReading(group, "queue", "stable", 1.0, sum_lag=lag, members=1, status=status)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([], None),
        ([("shipping", 1, Status.OK)], None),
        ([("billing", 1, Status.OK)], (1, None)),
        ([("rabbitmq:billing", 1, Status.OK)], (1, "billing")),
        ([("rabbitmq:orders.billing", 1, Status.OK)], (1, "orders.billing")),
        ([("rabbitmq:orders.rebilling", 1, Status.OK)], None),
        ([("orders.billing", 1, Status.OK)], None),  # a group of Kafka is called what it is called
        ([("rabbitmq:a.billing", 9, Status.OK), ("rabbitmq:b.billing", 1, Status.STOPPED)], (1, "b.billing")),
        ([("billing", 1, Status.STALLED), ("rabbitmq:b.billing", 9, Status.OK)], (1, None)),
        ([("billing", 1, Status.OK), ("rabbitmq:b.billing", 9, Status.BEHIND)], (9, "b.billing")),
    ],
)
def test_the_one_that_needs_attention_most_is_told(
    readings: list[tuple[str, int, Status]], expected: tuple[int, str | None] | None
) -> None:
    view = LagView()
    view.publish([reading(*each) for each in readings], 1.0, [])
    found = view.progress("billing")
    assert (None if found is None else (found.lag, found.queue)) == expected
