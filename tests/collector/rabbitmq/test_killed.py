"""The collector killed at any moment, the server restarted in between: what it counts is what was published."""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import threading
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pika
import pytest

from flowtrail_collector.settings.rabbitmq import Copy
from flowtrail_collector.store.packs.reading import packs_between
from rabbitkit import Corner, Place, send
from servers import ManagedProcess, RabbitServer, free_port
from waiting import scaled, until

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(3600)]

_FULL = os.environ.get("FLOWTRAIL_FULL", "") not in ("", "0")
KILLS, RESTARTS = (20, 5) if _FULL else (3, 1)
EVENTS_A_KILL = 300 if _FULL else 60
FLOWS = "flows: {f: {starts: OrderPlaced, steps: {pay: {done: Paid}}, completes: Paid}}"


class Publisher(threading.Thread):
    """Publishes events one by one, each until it is confirmed, whatever becomes of the server meanwhile."""

    def __init__(self, corner: Corner, exchange: str) -> None:
        super().__init__(daemon=True)
        self._corner = corner
        self._exchange = exchange
        self._ended = threading.Event()
        self._target = 0
        self.confirmed = 0

    def publish_more(self, count: int) -> None:
        """Publish so many more."""
        self._target += count

    def end(self) -> None:
        """Publish what is wanted, then end."""
        self._ended.set()
        self.join(scaled(120))
        assert not self.is_alive()

    def run(self) -> None:
        while not self._ended.is_set() or self.confirmed < self._target:
            try:
                with self._corner.channel() as channel:
                    self._publish(channel)
            except (pika.exceptions.AMQPError, OSError):
                self._ended.wait(0.2)

    def _publish(self, channel: object) -> None:
        while self.confirmed < self._target:
            # A server that starts takes and confirms messages before it knows all of its bindings again.
            send(channel, self._exchange, self.confirmed, "OrderPlaced", mandatory=True)
            self.confirmed += 1
        self._ended.wait(0.05)


class Killable:
    """A collector as a process."""

    def __init__(self, corner: Corner, folder: Path, copy: Copy) -> None:
        (folder / "flows.yaml").write_text(FLOWS, encoding="utf-8")
        self.store, self._port = folder / "store.sqlite", free_port()
        command = [
            sys.executable, "-m", "flowtrail_collector", "collector", "run",
            "--rabbitmq-management", corner.place.management,
            "--rabbitmq-exchanges", corner.exchanges,
            "--rabbitmq-queue", corner.stream,
            "--rabbitmq-copy", copy,
            "--flows", str(folder / "flows.yaml"),
            "--store", str(self.store),
            "--listen", f"127.0.0.1:{self._port}",
        ]  # fmt: skip
        self.process = ManagedProcess(
            "collector",
            command,
            ready=self._answers,
            output=folder / "collector.log",
            env={"FLOWTRAIL_RABBITMQ": corner.place.url},
        )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._port}/healthz", timeout=scaled(5)
            ) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def counted(self) -> tuple[int, int, int]:
        """Different events, rows of events, and instances that were started."""
        with closing(sqlite3.connect(self.store)) as connection:
            events = [
                event for pack in packs_between(connection, 0, 2**62) for event in pack.column("event_id")
            ]
            ((started,),) = connection.execute(
                "SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'saga_started'"
            ).fetchall()
        return len(set(events)), len(events), started


@pytest.mark.parametrize("copy", ["routed", "published"])
def test_kills_and_restarts_change_no_count(
    rabbitmq_server: RabbitServer, tmp_path: Path, copy: Copy
) -> None:
    """A server that starts has the stream later than other queues: restarts only where it is the only one."""
    server, chance = rabbitmq_server, random.Random(7)
    corner = Corner(Place(server.url, f"http://127.0.0.1:{server.management_port}"))
    orders = corner.taken_exchange("orders") if copy == "routed" else corner.exchange("orders")
    collector, publisher = Killable(corner, tmp_path, copy), Publisher(corner, orders)
    restarts = set() if copy == "routed" else set(chance.sample(range(KILLS), RESTARTS))
    collector.process.start()
    publisher.start()
    bindings = f"bindings/%2F/e/{orders}/q/{corner.stream}"
    until(lambda: corner.manage("GET", bindings), "the binding")
    for number in range(KILLS):
        before = publisher.confirmed
        publisher.publish_more(EVENTS_A_KILL)
        some = before + chance.randrange(EVENTS_A_KILL)
        until(lambda some=some: publisher.confirmed >= some, "some of them")
        collector.process.kill()
        if number in restarts:
            server.stop()
            server.start()
        collector.process.start()
    publisher.end()
    assert publisher.confirmed == KILLS * EVENTS_A_KILL
    until(lambda: collector.counted()[0] >= publisher.confirmed, "all events", 120)
    ids, rows, started = collector.counted()
    collector.process.kill()
    assert (ids, started) == (publisher.confirmed, publisher.confirmed)
    # What the publisher had to send again stands in the stream twice; nothing else does.
    in_stream = read_all(corner)
    assert rows == in_stream
    corner.clear()


def read_all(corner: Corner) -> int:
    """How many events the stream holds, read from its beginning to a mark of the test's own."""
    found = 0
    with corner.channel() as channel:
        channel.basic_publish("", corner.stream, b"the end")
        channel.basic_qos(prefetch_count=100)
        for method, _, body in channel.consume(corner.stream, arguments={"x-stream-offset": "first"}):
            channel.basic_ack(method.delivery_tag)
            if body == b"the end":
                return found
            found += bool(method.exchange)
    raise AssertionError("unreachable")
