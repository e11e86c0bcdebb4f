"""A queue with a limit: the limit is shown, and what is dropped for it is counted, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.brokers.rabbitmq.lag.counts import QueueDrops
from rabbitkit import Corner, Following
from waiting import until

LIMIT = 5


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40))
def test_what_is_told_in_time_is_counted_as_it_is(steps: list[tuple[int, int]]) -> None:
    """Each step some come, then some are taken; the oldest go where there are more than the limit."""
    drops, published, taken, held, lost = QueueDrops(), 0, 0, 0, 0
    drops.observe(0, 0, 0, full=False)
    for come, go in steps:
        was_full = held >= LIMIT
        published, held = published + come, held + come
        if was_full or held <= LIMIT:  # what it drops before it is seen to be full is told late
            lost += max(0, held - LIMIT)
            held = min(held, LIMIT)
            drops.observe(published, taken, held, full=held >= LIMIT)
            assert drops.total == lost
            took = min(go, held)
            taken, held = taken + took, held - took
            drops.observe(published, taken, held, full=held >= LIMIT)
            assert drops.total == lost
        else:
            published, held = published - come, held - come


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=40
    )
)
def test_a_queue_that_is_never_full_drops_nothing_however_late_the_counts_are(
    steps: list[tuple[int, ...]],
) -> None:
    came, went = [0], [0]
    drops = QueueDrops()
    for number, (more, late, later, latest) in enumerate(steps):
        came.append(came[-1] + more)
        went.append(came[-1])
        at = [max(0, number + 1 - by) for by in (late, later, latest)]
        drops.observe(came[at[0]], went[at[1]], came[at[2]] - went[at[2]], full=False)
        assert drops.total == 0


def figure(following: Following, name: str, queue: str) -> float | None:
    start = f'{name}{{queue="{queue}"}} '
    found = [float(line[len(start) :]) for line in following.metrics().splitlines() if line.startswith(start)]
    return found[0] if found else None


@pytest.mark.servers
def test_limits_are_shown_and_drops_counted(corner: Corner, following: Following) -> None:
    orders = corner.exchange("orders")
    unlimited = corner.queue("unlimited", orders)
    drops = corner.queue("drops", orders, x_max_length=LIMIT)
    quorum = corner.queue("quorum", orders, x_max_length=LIMIT, x_queue_type="quorum")
    refuses = corner.queue("refuses", x_max_length=LIMIT, x_overflow="reject-publish")
    limit, dropped = "flowtrail_queue_limit_messages", "flowtrail_queue_dropped_messages_total"
    with following:
        until(lambda: figure(following, dropped, quorum) == 0, "the queues")
        assert [figure(following, limit, each) for each in (unlimited, drops, quorum, refuses)] == [
            None, LIMIT, LIMIT, LIMIT,
        ]  # fmt: skip
        assert [figure(following, dropped, each) for each in (unlimited, refuses)] == [None, None]
        corner.publish(orders, LIMIT + 3)
        for queue in (drops, quorum):
            until(lambda queue=queue: figure(following, dropped, queue) == 3, following.metrics)
        with corner.channel() as channel:
            for queue in (drops, quorum):
                for _ in range(LIMIT):
                    channel.basic_get(queue, auto_ack=True)
        until(lambda: figure(following, "flowtrail_queue_ready_messages", drops) == 0, "an empty queue")
        corner.publish(orders, LIMIT - 1)
        until(lambda: figure(following, "flowtrail_queue_ready_messages", quorum) == LIMIT - 1, "messages")
        assert [figure(following, dropped, each) for each in (drops, quorum)] == [3, 3]
