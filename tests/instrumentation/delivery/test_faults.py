"""A broker that goes away (5 s, with `FLOWTRAIL_FULL=1` 30 s), a wait longer than the poll interval, rebalances in the middle of retries."""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pytest

import flowtrail
from flowtrail.clients import (
    Client,
    ConsumerClient,
    Partition,
    ProducerClient,
    RebalanceListener,
    Subscription,
    choose_client,
)
from instrumentation.delivery.ground import Ground, ground_of, header, wait_for
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow(9), pytest.mark.timeout(170)]

ADAPTERS = ["kafka-python", "confluent", "aiokafka"]
FULL = os.environ.get("FLOWTRAIL_FULL") == "1"
AWAY_SECONDS = 30 if FULL else 5


def settings(adapter: str, *, max_poll_interval_ms: int = 300_000) -> dict[str, Any]:
    names = {
        "session_timeout_ms": min(int(scaled(3) * 1000), max_poll_interval_ms),  # clients refuse a longer one
        "heartbeat_interval_ms": 300,
        "max_poll_interval_ms": max_poll_interval_ms,
    }
    if adapter == "confluent":
        names = {name.replace("_", "."): value for name, value in names.items()}
    return {"consumer": names}


class Watched:
    """A client that notes what its consumers' listeners are told."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.name, self.kind, self.address = client.name, client.kind, client.address
        self.is_retriable = client.is_retriable
        self.told: list[tuple[str, int]] = []

    def open_producer(self) -> ProducerClient:
        return self._client.open_producer()

    def open_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener, *, start: str
    ) -> ConsumerClient:
        told = self.told

        class Listener:
            def assigned(self, partitions: Collection[Partition]) -> None:
                told.append(("assigned", len(partitions)))
                listener.assigned(partitions)

            def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
                told.append(("revoked", len(partitions)))
                return listener.revoked(partitions)

            def lost(self, partitions: Collection[Partition]) -> None:
                told.append(("lost", len(partitions)))
                listener.lost(partitions)

        return self._client.open_consumer(subscriptions, group, Listener(), start=start)


@pytest.fixture
def ground(kafka: str) -> Iterator[Ground]:
    with ground_of(kafka) as ground:
        yield ground


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_wait_longer_than_the_poll_interval_keeps_the_member(
    adapter: str, kafka: str, topic: Callable[..., str], ground: Ground
) -> None:
    name = topic("in")
    ground.create(name, f"{name}-out")
    client = Watched(choose_client(adapter, kafka, settings(adapter, max_poll_interval_ms=4000)))
    trail = flowtrail.Trail(name, client=client)
    handled: list[tuple[int, int]] = []

    @trail.consumer(name, retry=flowtrail.Retry(attempts=2, initial_seconds=7, jitter=0))
    def handle(event: flowtrail.Event[Any]) -> None:
        number = event.data["number"]
        if number == 0 and event.attempt == 1:
            raise ValueError("later")
        trail.publish(f"{name}-out", {"number": number}, type="Done", subject=event.subject)
        handled.append((number, event.attempt))

    ground.publish(name, range(60))
    with trail.running():
        wait_for(lambda: len(handled) >= 20, "other partitions")
        early = ground.committed(name, name)
        member = ground.members(name)
        wait_for(lambda: ground.caught_up(name, name), "everything")
        told = list(client.told)
        assert len(member) == 1
        assert ground.members(name) == member, "still the same member"
    assert [told.count(("assigned", 3)), len(told)] == [1, 1], f"one assignment, kept: {told}"
    assert handled.count((0, 2)) == 1
    places = {header(record, "ce_id"): record for record in ground.read(name)}
    stuck = places["in-0"]
    assert early[stuck.partition()] <= stuck.offset(), "not committed past the one that waits"
    assert {header(record, "ce_causationid") for record in ground.read(f"{name}-out")} == set(places)
    assert len(handled) == 60, "nothing is handled twice"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_rebalances_in_the_middle_of_retries(
    adapter: str, kafka: str, topic: Callable[..., str], ground: Ground
) -> None:
    name = topic("in")
    ground.create(name, f"{name}-out", f"{name}.{name}.dlq", partitions=4)
    attempts: dict[int, list[int]] = {}
    lock = threading.Lock()

    def service() -> flowtrail.Trail:
        trail = flowtrail.Trail(name, kafka, client=adapter, client_settings=settings(adapter))

        @trail.consumer(name, retry=flowtrail.Retry(attempts=4, initial_seconds=1, factor=1))
        def handle(event: flowtrail.Event[Any]) -> None:
            number = event.data["number"]
            with lock:
                attempts.setdefault(number, []).append(event.attempt)
            if number % 40 == 7:
                raise ValueError("always")
            if number % 40 == 13 and event.attempt < 3:
                raise ValueError("not yet")
            trail.publish(f"{name}-out", {"number": number}, type="Done", subject=event.subject)

        return trail

    ground.publish(name, range(160))
    steady = service()
    with steady.running():
        assert steady.ready(scaled(30))
        for _ in range(3):
            visitor = service()
            with visitor.running():
                assert visitor.ready(scaled(30))
                time.sleep(1.2)  # several waits pass while there are two members
        wait_for(lambda: ground.caught_up(name, name), "everything")
    bad = {f"in-{number}" for number in range(160) if number % 40 == 7}
    done = {header(record, "ce_causationid") for record in ground.read(f"{name}-out")}
    dead = [header(record, "ce_id") for record in ground.read(f"{name}.{name}.dlq")]
    assert done == {f"in-{number}" for number in range(160)} - bad, "at least once, none lost"
    assert set(dead) == bad
    assert max(max(found) for found in attempts.values()) <= 4


# kafka-python leaves the sockets of refused connections to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("adapter", ADAPTERS if FULL else ADAPTERS[:1])
def test_a_broker_away_in_the_middle_of_a_handler(
    adapter: str, kafka_server: Callable[..., Any], topic: Callable[..., str]
) -> None:
    server = kafka_server()
    name = topic("in")
    trail = flowtrail.Trail(name, server.bootstrap_servers, client=adapter, client_settings=settings(adapter))
    begun = threading.Event()
    gone = threading.Event()
    handled: list[int] = []

    @trail.consumer(name)
    def handle(event: flowtrail.Event[Any]) -> None:
        number = event.data["number"]
        if number == 30:
            begun.set()
            gone.wait(scaled(60))  # the broker goes while this handler runs
        trail.publish(f"{name}-out", {"number": number}, type="Done", subject=event.subject)
        handled.append(number)

    with ground_of(server.bootstrap_servers) as ground:
        ground.create(name, f"{name}-out")
        ground.publish(name, range(300))
        with trail.running():
            wait_for(begun.is_set, "the handler")
            server.stop()
            gone.set()
            time.sleep(AWAY_SECONDS)
            server.start()
            wait_for(lambda: ground.caught_up(name, name), "everything")
        expected = {f"in-{number}" for number in range(300)}
        done = [header(record, "ce_causationid") for record in ground.read(f"{name}-out")]
        assert set(done) == expected, "at least once, none lost"
        assert ground.read(f"{name}.{name}.dlq") == [], "a broker that is away is nobody's fault"
        assert set(handled) == set(range(300))
