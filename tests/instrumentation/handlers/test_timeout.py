"""`timeout=`: an attempt that takes too long has failed, and holds up nobody but its own partition."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import confluent_kafka
import pytest
from prometheus_client import CollectorRegistry

import flowtrail
from devbroker import DevBroker
from flowtrail.testing import Harness
from instrumentation.delivery.ground import Ground, ground_of, header, wait_for
from instrumentation.handlers.shapes import ADAPTERS, SHAPES, Shape

pytestmark = [pytest.mark.slow, pytest.mark.timeout(170)]

SLOW, OTHER = 0, 1


class Run:
    """A handler whose second record of one partition takes for ever, and what became of the others."""

    def __init__(self, adapter: str, shape: Shape, broker: str, *, attempts: int) -> None:
        self.shape = shape
        self.broker = broker
        self.name = uuid.uuid4().hex[:12]
        self.registry = CollectorRegistry()
        self.begun: list[tuple[int, int, int]] = []
        self.ended: list[tuple[int, int, int]] = []
        self.cancelled: list[int] = []
        self.go_on = threading.Event()
        self.trail = flowtrail.Trail(self.name, broker, client=adapter, registry=self.registry)
        retry = flowtrail.Retry(attempts=attempts, initial_seconds=0.05)
        batch = None if shape.batch is None else 1
        self.trail.consumer(self.name, timeout=0.4, retry=retry, batch=batch)(self._handler())

    def _handler(self) -> Callable[[Any], Any]:
        def event_of(given: Any) -> flowtrail.Event[Any]:
            return given.events[0] if self.shape.batch is not None else given  # type: ignore[no-any-return]

        def plain(given: Any) -> None:
            if self._begin(event_of(given)):
                assert self.go_on.wait(150)
            self._end(event_of(given))

        async def coroutine(given: Any) -> None:
            try:
                if self._begin(event_of(given)):
                    await asyncio.sleep(150)
                self._end(event_of(given))
            except asyncio.CancelledError:
                self.cancelled.append(event_of(given).attempt)
                raise

        return coroutine if self.shape.is_async else plain

    def _begin(self, event: flowtrail.Event[Any]) -> bool:
        """Whether this attempt is a slow one."""
        self.begun.append((event.partition, event.offset, event.attempt))
        return (event.partition, event.offset, event.attempt) == (SLOW, 1, 1)

    def _end(self, event: flowtrail.Event[Any]) -> None:
        self.ended.append((event.partition, event.offset, event.attempt))

    def feed(self, partition: int, count: int) -> None:
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker})
        for _ in range(count):
            producer.produce(self.name, b"{}", partition=partition)
        assert producer.flush(30) == 0

    def of(self, partition: int, calls: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
        return [(offset, attempt) for number, offset, attempt in calls if number == partition]

    def timeouts(self, how: str) -> float | None:
        return self.registry.get_sample_value(
            "flowtrail_timeouts_total",
            {
                "messaging_destination_name": self.name,
                "messaging_consumer_group_name": self.name,
                "how": how,
            },
        )


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with DevBroker(partitions=2) as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def ground(broker: str) -> Iterator[Ground]:
    with ground_of(broker) as ground:
        yield ground


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_attempt_that_takes_too_long_has_failed(
    adapter: str, shape: Shape, attempts: int, broker: str, ground: Ground
) -> None:
    run = Run(adapter, shape, broker, attempts=attempts)
    ground.create(run.name, partitions=2)
    how = "cancelled" if shape.is_async else "left_behind"
    with run.trail.running():
        assert run.trail.ready(60)
        run.feed(SLOW, 4)
        wait_for(lambda: run.timeouts(how) == 1, "the timeout")
        run.feed(OTHER, 20)
        wait_for(lambda: len(run.of(OTHER, run.ended)) == 20, "the other partition")
        if not shape.is_async:
            assert run.of(SLOW, run.begun) == [(0, 1), (1, 1)], "its partition waits for it"
        run.go_on.set()
        wait_for(lambda: ground.caught_up(run.name, run.name), "everything")
    again = [(1, 2)] if attempts > 1 else []
    assert run.of(SLOW, run.begun) == [(0, 1), (1, 1), *again, (2, 1), (3, 1)]
    assert run.cancelled == ([1] if shape.is_async else [])
    letters = f"{run.name}.{run.name}.dlq"
    dead = ground.read(letters) if letters in ground.topics() else []
    assert [header(letter, "dlq.error.type") for letter in dead] == (
        [] if attempts > 1 else ["flowtrail.errors.HandlerTimeoutError"]
    )
    run.trail.close()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "1"])
def test_a_timeout_that_makes_no_sense_is_refused(timeout: Any) -> None:
    with pytest.raises(flowtrail.ConfigurationError, match="timeout is"):
        flowtrail.Trail("billing").consumer("orders", timeout=timeout)(print)


@pytest.mark.parametrize("oversize", ["drop", None, 3])
def test_an_oversize_that_makes_no_sense_is_refused(oversize: Any) -> None:
    with pytest.raises(flowtrail.ConfigurationError, match="oversize is"):
        flowtrail.Trail("billing").consumer("orders", oversize=oversize)(print)


def deaf(seconds: float) -> Callable[[Any], Any]:
    """A coroutine that doesn't listen to its cancellation."""

    async def handle(_: Any) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue

    return handle


@pytest.mark.parametrize("seconds", [0.3, 3])
def test_a_coroutine_that_ignores_its_cancellation_has_failed_all_the_same(seconds: float) -> None:
    trail = flowtrail.Trail("billing")
    trail.consumer("orders", timeout=0.1, retry=flowtrail.Retry(attempts=1))(deaf(seconds))
    with Harness(trail) as flow:
        flow.deliver("orders", {}, type="OrderPlaced")
        (letter,) = flow.dead_letters()
        assert dict(letter.headers)["dlq.error.type"] == b"flowtrail.errors.HandlerTimeoutError"
        how = "left_behind" if seconds == 3 else "cancelled"
        assert flow.metric("flowtrail_timeouts_total", how=how) == 1


@pytest.mark.parametrize("timeout", [None, 30])
@pytest.mark.parametrize("batch", [None, 5])
def test_a_handler_in_time_is_none_the_worse_for_it(timeout: float | None, batch: int | None) -> None:
    trail = flowtrail.Trail("billing")
    seen: list[str | None] = []

    @trail.consumer("orders", timeout=timeout, batch=batch)
    def handle(given: Any) -> None:
        event = given if batch is None else given.events[0]
        seen.append(flowtrail.current_event().id if batch is None else event.id)  # type: ignore[union-attr]
        trail.publish("payments", {}, type="Paid")

    with Harness(trail) as flow:
        event_id = flow.deliver("orders", {}, type="OrderPlaced")
        (payment,) = flow.published("payments")
        assert payment.causation_id == (event_id if batch is None else None)
        assert flow.committed("billing", "orders") == 1
    assert seen == [event_id]


def test_a_batch_that_takes_too_long_keeps_what_it_has_done() -> None:
    trail = flowtrail.Trail("billing")
    calls: list[list[str]] = []

    @trail.consumer("orders", timeout=0.2, batch=10, retry=flowtrail.Retry(attempts=2, jitter=0))
    async def handle(batch: flowtrail.Batch[Any]) -> None:
        calls.append([f"{event.offset}/{event.attempt}" for event in batch.events])
        for member in batch:
            with member as event:
                if (event.offset, event.attempt) == (1, 1):
                    await asyncio.sleep(60)

    with Harness(trail) as flow:
        for number in range(4):
            flow.broker.append("orders", None, b"{}", [("ce_id", b"%d" % number)])
        flow.run()
        assert flow.committed("billing", "orders") == 4
        assert flow.dead_letters() == []
    assert calls == [["0/1", "1/1", "2/1", "3/1"], ["1/2", "2/1", "3/1"]]
