"""A group with several members, step by step: rebalances, lost partitions, commits that come too late."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import flowtrail
from flowtrail._runtime.group import GroupMember
from flowtrail._runtime.publisher import Publisher
from flowtrail._runtime.services import Services
from flowtrail.testing import FakeClock, MemoryBroker, MemoryClient

Handled = list[tuple[str | None, int]]


class Desk:
    """A trail whose members are stepped by hand."""

    def __init__(self, partitions: int = 2) -> None:
        self.clock = FakeClock()
        self.broker = MemoryBroker(partitions, self.clock)
        self.client = MemoryClient(self.broker, blocking=False)
        self.trail = flowtrail.Trail(
            "billing", client=self.client, registry=CollectorRegistry(), clock=self.clock
        )
        publisher = Publisher(self.trail.telemetry, self.client, self.trail.codecs)
        timing = flowtrail.Timing(commit_interval_seconds=0)
        self.services = Services(self.trail.telemetry, publisher, timing)

    def member(self) -> tuple[GroupMember, Any]:
        plan = self.trail._plans["billing"]
        member = GroupMember(plan, self.services, threading.Event())
        consumer = self.client.open_consumer(plan.subscriptions, "billing", member, start="earliest")
        member.attach(consumer)
        return member, consumer

    def feed(self, *subjects: str, key: bytes | None = None) -> None:
        for subject in subjects:
            name = subject.encode()
            self.broker.append("orders", key or name, b"{}", [("ce_id", name), ("ce_subject", name)])

    def settle(self, *members: GroupMember) -> None:
        """Step until nothing happens, letting waits pass."""
        idle = 0
        for _ in range(300):
            worked = [member.step() for member in members]
            idle = 0 if any(worked) else idle + 1
            if idle < 5:  # a rebalance takes a few polls
                continue
            due = [at for member in members if (at := member.next_due_ns) is not None]
            if not due:
                return
            self.clock.advance(max(0, min(due) - self.clock.monotonic_ns()) / 1e9)
        raise AssertionError("never settled")

    def committed(self) -> int:
        return sum(self.broker.committed("billing", "orders", number) or 0 for number in range(2))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def handle_all(desk: Desk, failing: str = "", attempts: int = 4) -> Handled:
    handled: Handled = []

    @desk.trail.consumer("orders", retry=flowtrail.Retry(attempts=attempts, jitter=0))
    def handle(event: flowtrail.Event[Any]) -> None:
        handled.append((event.subject, event.attempt))
        if event.subject == failing:
            raise ValueError("no")
        desk.trail.publish("payments", {}, type="Paid", subject=event.subject)

    return handled


def test_two_members_share_the_work(desk: Desk) -> None:
    handled = handle_all(desk)
    first, _ = desk.member()
    second, _ = desk.member()
    desk.settle(first, second)
    assert len(first.partitions) == len(second.partitions) == 1
    desk.feed(*"abcdef")
    desk.settle(first, second)
    assert sorted(handled) == [(subject, 1) for subject in "abcdef"]
    assert desk.committed() == 6


def test_what_was_handled_is_committed_before_the_partition_goes(desk: Desk) -> None:
    handled = handle_all(desk)
    first, _ = desk.member()
    desk.feed(*"abcd")
    first.step()
    first.step()
    second, _ = desk.member()
    desk.settle(first, second)
    assert sorted(handled) == [(subject, 1) for subject in "abcd"], "nothing is handled twice"


def test_a_waiting_retry_survives_a_rebalance_and_goes_on_counting(desk: Desk) -> None:
    handled = handle_all(desk, failing="bad")
    first, _ = desk.member()
    desk.feed("bad", "next", key=b"k")
    first.step()
    first.step()
    assert handled == [("bad", 1)]
    _, visitor = desk.member()
    desk.settle(first)
    visitor.close(1)
    desk.settle(first)
    assert [attempt for subject, attempt in handled if subject == "bad"] == [1, 2, 3, 4]
    assert ("next", 1) in handled
    assert len(desk.broker.records("orders.billing.dlq")) == 1
    assert desk.committed() == 2


def test_a_member_that_was_thrown_out_commits_nothing_and_starts_anew(desk: Desk) -> None:
    handled: Handled = []
    first: Any = None
    thrown_out = []

    @desk.trail.consumer("orders")
    def handle(event: flowtrail.Event[Any]) -> None:
        handled.append((event.subject, event.attempt))
        if not thrown_out:
            thrown_out.append(True)
            first[1].expel()  # the handler took so long that the group went on without this member

    first = desk.member()
    desk.feed("a", key=b"k")
    first[0].step()
    assert thrown_out
    assert desk.committed() == 0
    desk.settle(first[0])
    assert handled == [("a", 1), ("a", 1)], "at least once"
    assert desk.committed() == 1


def plain(work: Callable[[], Any]) -> Callable[[Any], Any]:
    return lambda _: work()


def coroutine(work: Callable[[], Any]) -> Callable[[Any], Any]:
    async def handle(_: Any) -> None:
        await asyncio.to_thread(work)

    return handle


@pytest.mark.parametrize("batch", [None, 10], ids=["events", "batches"])
@pytest.mark.parametrize("kind", [plain, coroutine])
def test_a_handler_that_runs_long_keeps_the_member_and_drops_what_was_lost(
    kind: Any, batch: int | None, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowtrail._runtime.watch._LOOK_AROUND_SECONDS", 0.01)
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go_on.wait(10)

    desk.trail.consumer("orders", batch=batch)(kind(work))

    member, consumer = desk.member()
    desk.feed("a", key=b"k")
    polls: list[float] = []
    poll = consumer.poll

    def counted(timeout_seconds: float, max_records: int) -> Any:
        polls.append(timeout_seconds)
        if len(polls) == 6:
            consumer.expel()
        if len(polls) == 8:
            go_on.set()
        return poll(timeout_seconds, max_records)

    monkeypatch.setattr(consumer, "poll", counted)
    member.watch.start()
    member.step()
    member.watch.stop()
    assert begun.is_set()
    assert len(polls) >= 8, "it went on polling while the handler ran"
    assert desk.committed() == 0, "the partition was lost meanwhile"
    desk.services.invoker.close()
