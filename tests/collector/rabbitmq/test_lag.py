"""Queues as groups: what waits, for how long, who reads, and what the server says of itself."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.brokers.rabbitmq.lag import listing
from flowtrail_collector.brokers.rabbitmq.lag.counts import QueueCounts
from rabbitkit import Corner, Following
from waiting import scaled, until


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3), st.integers(0, 3)), max_size=60
    ),
    st.booleans(),
)
def test_counts_of_different_moments_never_go_back(steps: list[tuple[int, ...]], restarted: bool) -> None:
    """Messages come and go; the server tells both counts late, each as late as it likes."""
    came, went = [0], [0]
    counts, seen = QueueCounts(), [(0, 0)]
    for number, (more, fewer, late, later) in enumerate(steps):
        came.append(came[-1] + more)
        went.append(min(came[-1], went[-1] + fewer))
        messages = came[max(0, number + 1 - late)] - went[max(0, number + 1 - late)]
        published = came[max(0, number + 1 - later)]
        counts.observe(messages, max(0, published - 7) if restarted and number > 30 else published)
        assert counts.end - counts.gone == messages
        seen.append((counts.end, counts.gone))
    assert all(
        end <= later_end and gone <= later_gone for (end, gone), (later_end, later_gone) in pairwise(seen)
    )


@pytest.fixture(params=["in each look", "beside the looks"])
def listed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the list of queues is asked for: a server that takes long for it is asked beside."""
    if request.param == "beside the looks":
        monkeypatch.setattr(listing, "_QUICK_SECONDS", -1.0)


def group(following: Following, queue: str) -> dict[str, Any]:
    answer = following.api(f"lag?group=rabbitmq:{queue}")
    return {} if answer is None else {**answer["groups"][0], "at": answer["collected_at"]}


@pytest.mark.servers
@pytest.mark.usefixtures("listed")
def test_a_queue_without_consumers_shows_what_waits_and_for_how_long(
    corner: Corner, following: Following
) -> None:
    orders = corner.exchange("orders")
    queue = corner.queue("orders.billing", orders)
    with following:
        until(lambda: group(following, queue).get("lag") == 0, "the queue")
        before = time.time()
        corner.publish(orders, 4)
        after = time.time()
        until(lambda: group(following, queue)["lag"] == 4, "the messages")
        found = group(following, queue)
        assert (found["type"], found["members"], found["state"]) == ("queue", 0, "empty")
        at = datetime.fromisoformat(found["at"]).timestamp()
        # The server tells its counts once a second.
        assert at - after - scaled(1.5) <= found["lag_seconds"] <= at - before + scaled(0.5)
        with corner.channel() as channel:
            method = None
            for _ in range(4):
                method, _, _ = channel.basic_get(queue)
            until(lambda: unacknowledged(following, queue) == 4, "unacknowledged messages")
            assert group(following, queue)["lag"] == 4
            channel.basic_ack(method.delivery_tag, multiple=True)
        until(lambda: group(following, queue)["lag"] == 0, "an empty queue")
        assert group(following, queue)["lag_seconds"] == 0


def unacknowledged(following: Following, queue: str) -> float:
    name = f'flowtrail_queue_unacknowledged_messages{{queue="{queue}"}} '
    return sum(float(line[len(name) :]) for line in following.metrics().splitlines() if line.startswith(name))


@pytest.mark.servers
def test_of_readers_who_leave_what_waits_the_list_need_not_tell(
    corner: Corner, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_QUICK_SECONDS", -1.0)
    monkeypatch.setattr(listing, "_REPEATED", 1e9)  # after the first one there is no other list
    orders = corner.exchange("orders")
    queue = corner.queue("orders.billing", orders)
    with corner.channel() as reader:
        reader.basic_qos(prefetch_count=1)
        reader.basic_consume(queue, lambda *_: None)
        corner.publish(orders, 4)
        until(lambda: corner.manage("GET", f"queues/%2F/{queue}").get("consumers") == 1, "the reader")
        until(lambda: corner.manage("GET", f"queues/%2F/{queue}").get("messages") == 4, "the messages")
        following.start()
        until(lambda: group(following, queue).get("members") == 1, "the reader")
    until(lambda: group(following, queue)["members"] == 0, "the reader to leave")
    assert group(following, queue)["lag"] == 4
    corner.publish(orders, 3)
    until(lambda: group(following, queue)["lag"] == 7, "the messages that came")


@pytest.mark.servers
@pytest.mark.usefixtures("listed")
def test_streams_dead_letters_and_messages_that_wait_are_no_groups(
    corner: Corner, following: Following
) -> None:
    corner.queue("orders.billing")
    corner.queue("orders.billing.dlq")
    corner.queue("orders.billing.retry.1.delay", x_dead_letter_exchange="", x_dead_letter_routing_key="x")
    with following:
        until(lambda: following.problem() == "", "the tail")
        until(lambda: (following.api("lag") or {}).get("groups"), "groups")
        assert [each["group"] for each in following.api("lag")["groups"]] == [
            f"rabbitmq:{corner.called('orders.billing')}"
        ]
