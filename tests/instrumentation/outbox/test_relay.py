"""The outbox relay: what it publishes, in which order, and what a `kill -9` costs (nothing)."""

import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import flowtrail
from flowtrail._runtime.publisher import Publisher
from flowtrail.clients import KafkaPythonClient, Partition, Subscription
from flowtrail.testing import Capture, FakeClock, MemoryBroker, MemoryClient
from waiting import Deadline, scaled

Connect = Callable[[], sqlite3.Connection]


class Desk:
    """An outbox on a file, and relays on a memory broker."""

    def __init__(self, path: Path) -> None:
        self.capture = Capture("orders", 0)
        self.clock = FakeClock()
        self.broker = MemoryBroker()
        self.trail = flowtrail.Trail(
            "orders",
            tracer_provider=self.capture.tracer_provider,
            registry=self.capture.registry,
            clock=self.clock,
            client=MemoryClient(self.broker),
        )
        self.connect: Connect = lambda: sqlite3.connect(path, timeout=10)
        self.outbox = self.trail.outbox(self.connect)
        self.connection = self.connect()
        self.outbox.create_table(self.connection)
        self.connection.commit()
        self.stop = threading.Event()

    def relay(self) -> Any:
        publisher = Publisher(self.trail.telemetry, MemoryClient(self.broker), self.trail.codecs)
        return self.outbox.relay(publisher, self.stop)

    def add(self, subject: str = "o-1", **fields: Any) -> str:
        return self.outbox.add(self.connection, "orders", {}, type="OrderPlaced", subject=subject, **fields)

    def ids(self) -> list[str]:
        return [dict(record.headers)["ce_id"].decode() for record in self.broker.records("orders")]  # type: ignore[union-attr]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "orders.db")
    yield desk
    desk.connection.close()


def test_only_what_is_committed_is_published(desk: Desk) -> None:
    desk.add()
    desk.connection.rollback()
    kept = desk.add()
    relay = desk.relay()
    with closing(desk.connect()) as connection:
        assert relay.relay_once(connection) == 0, "not committed yet"
        desk.connection.commit()
        assert desk.outbox.pending(desk.connection) == 1
        assert relay.relay_once(connection) == 1
    assert desk.ids() == [kept]
    assert desk.outbox.pending(desk.connection) == 0


def test_id_time_flow_and_trace_are_those_of_add(desk: Desk) -> None:
    tracer = desk.capture.tracer_provider.get_tracer("test")
    with tracer.start_as_current_span("command") as span:
        event_id = desk.add(version=2, sequence=7, headers=[("mine", b"\xff\x00")])
    desk.connection.commit()
    added = desk.clock.time_ns()
    desk.clock.advance(3600)
    desk.relay().relay_once(desk.connection)
    headers = dict(desk.broker.records("orders")[0].headers)
    assert headers["ce_id"] == headers["ce_correlationid"] == event_id.encode()
    assert headers["ce_dataschema"] == b"OrderPlaced/2"
    assert headers["ce_sequence"] == b"7"
    assert headers["mine"] == b"\xff\x00"
    assert headers["ce_time"].startswith(time.strftime("%Y-%m-%dT%H:%M", time.gmtime(added / 1e9)).encode())  # type: ignore[union-attr]
    assert headers["traceparent"].split(b"-")[1] == b"%032x" % span.get_span_context().trace_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "time",
    [
        datetime(2026, 5, 1, 10, 0),
        datetime(2026, 5, 1, 12, 0, tzinfo=timezone(timedelta(hours=2))),
        "2026-05-01T10:00:00.000000Z",
    ],
)
def test_a_given_time_is_written_as_when_publishing(desk: Desk, time: datetime | str) -> None:
    desk.add(time=time)
    desk.connection.commit()
    desk.relay().relay_once(desk.connection)
    assert dict(desk.broker.records("orders")[0].headers)["ce_time"] == b"2026-05-01T10:00:00.000000Z"


def test_a_refused_event_holds_up_its_aggregate_and_no_other(desk: Desk) -> None:
    bad, behind, other = desk.add("o-1"), desk.add("o-1"), desk.add("o-2")
    desk.connection.commit()
    desk.broker.refuse("orders", times=1, reason="too large")
    relay = desk.relay()
    assert relay.relay_once(desk.connection) == 1
    assert desk.outbox.pending(desk.connection) == 2
    deadline = Deadline(10)
    while desk.outbox.pending(desk.connection):
        assert not deadline.passed
        relay.relay_once(desk.connection)
        time.sleep(0.02)
    ids = desk.ids()
    assert ids.index(other) < ids.index(bad)
    assert ids[ids.index(bad) :].count(behind) == 1, "published again, after the one before it"


def test_more_than_one_batch_in_order(desk: Desk) -> None:
    ids = [desk.add(f"o-{number % 3}") for number in range(450)]
    desk.connection.commit()
    assert desk.relay().relay_once(desk.connection) == 450
    assert desk.ids() == ids


def test_one_relay_at_a_time(desk: Desk) -> None:
    first, second = desk.relay(), desk.relay()
    desk.add()
    desk.connection.commit()
    assert first.relay_once(desk.connection) == 1
    desk.add()
    desk.connection.commit()
    assert second.relay_once(desk.connection) == 0, "the first holds the lease"
    first.release(desk.connection)
    assert second.relay_once(desk.connection) == 1


def test_connect_must_open_connections() -> None:
    with pytest.raises(flowtrail.ConfigurationError, match="function that opens"):
        flowtrail.Trail("orders").outbox(sqlite3.connect(":memory:"))  # type: ignore[arg-type]


def read_all(broker: str, topic: str, count: Callable[[], int]) -> list[Any]:
    """Every record of a topic, until there are enough of them."""

    class Listener:
        def assigned(self, partitions: Any) -> None: ...
        def revoked(self, partitions: Any) -> dict[Partition, int]:
            return {}

        def lost(self, partitions: Any) -> None: ...

    consumer = KafkaPythonClient(broker).open_consumer(
        [Subscription(topic)], "reader", Listener(), start="earliest"
    )
    records: list[Any] = []
    deadline = Deadline(30)
    quiet_until = 0.0
    while not deadline.passed:
        polled = consumer.poll(0.1, 500)
        records += polled
        if polled:
            quiet_until = time.monotonic() + 0.5
        complete = len({dict(record.headers)["ce_id"] for record in records}) >= count()
        if complete and time.monotonic() > quiet_until:
            break
    consumer.close(5)
    return records


@pytest.mark.servers
@pytest.mark.slow(13)
@pytest.mark.timeout(120)
def test_killed_again_and_again(broker: str, tmp_path: Path) -> None:
    """A process that adds and relays is killed at random moments; the last one is left to finish."""
    database, count = tmp_path / "orders.db", 600
    script = Path(__file__).with_name("relay_process.py")
    command = [sys.executable, str(script), broker, str(database), str(count)]
    randomly = random.Random(1)
    for _ in range(5):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            time.sleep(randomly.uniform(0.1, 0.6))
            process.kill()
    assert subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=scaled(60)
    ).stdout.endswith("done\n")
    with closing(sqlite3.connect(database)) as connection:
        added = dict(connection.execute("SELECT event_id, number FROM state").fetchall())
    assert len(added) == count
    records = read_all(broker, "orders", lambda: count)
    published = [dict(record.headers)["ce_id"].decode() for record in records]
    assert set(published) == set(added), "each one at least once, and nothing that was not added"
    times: dict[str, set[bytes]] = {}
    first_of: dict[bytes, list[int]] = {}
    for record, event_id in zip(records, published, strict=True):
        times.setdefault(event_id, set()).add(dict(record.headers)["ce_time"])
        order = first_of.setdefault(record.key, [])
        if added[event_id] not in order:
            order.append(added[event_id])
    assert all(len(found) == 1 for found in times.values()), "a repeated event keeps its time"
    assert all(order == sorted(order) for order in first_of.values()), "in order per aggregate"
