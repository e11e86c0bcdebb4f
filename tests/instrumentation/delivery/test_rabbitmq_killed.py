"""A service on RabbitMQ that is killed with `kill -9`, and the server with it; twenty times with `FLOWTRAIL_FULL=1`."""

from __future__ import annotations

import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pika
import pytest

from instrumentation.clients.rabbitmq_support import ADAPTERS
from instrumentation.delivery.worker import WORKER, effects_in, nothing_pending, service
from servers import RabbitServer
from waiting import scaled, until

pytestmark = [pytest.mark.servers, pytest.mark.slow(36), pytest.mark.timeout(3600)]

FULL = os.environ.get("FLOWTRAIL_FULL") == "1"
KILLS = 20 if FULL else 3
RESTARTS = 5 if FULL else 1
CHUNK = 60
AFTERWARDS = 12
EVENTS = KILLS * CHUNK + AFTERWARDS
BAD_EVERY = 15
ALL = {f"in-{number}" for number in range(EVENTS)}


class Ground:
    """Looks at a server from outside."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._taken: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def _on(self, work: Callable[[Any], Any]) -> Any:
        with pika.BlockingConnection(self._parameters) as connection:
            return work(connection.channel())

    def declare(self, exchange: str, *queues: str) -> None:
        """An exchange, and queues that get all of it."""

        def declare(channel: Any) -> None:
            channel.exchange_declare(exchange, "topic", durable=True)
            for queue in queues:
                channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
                channel.queue_bind(queue, exchange, "#")

        self._on(declare)

    def publish(self, exchange: str, numbers: Iterable[int]) -> None:
        """Events of type Thing, confirmed; every fifteenth is bad."""

        def publish(channel: Any) -> None:
            channel.confirm_delivery()
            for number in numbers:
                bad = b', "bad": true' if is_bad(number) else b""
                table = {"cloudEvents_specversion": "1.0", "cloudEvents_id": f"in-{number}",
                         "cloudEvents_type": "Thing", "cloudEvents_source": "/ground"}  # fmt: skip
                channel.basic_publish(
                    exchange,
                    "Thing",
                    b'{"number": %d%b}' % (number, bad),
                    pika.BasicProperties(headers=table, delivery_mode=2),
                    mandatory=True,
                )

        self._on(publish)

    def waiting(self, queue: str) -> int:
        """Messages that are ready."""
        return int(self._on(lambda channel: channel.queue_declare(queue, passive=True).method.message_count))

    def taken(self, queue: str) -> list[dict[str, Any]]:
        """The headers of all messages that ever were in a queue; those that are there now are taken out."""

        def take(channel: Any) -> None:
            while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
                self._taken[queue].append(got[1].headers)

        self._on(take)
        return self._taken[queue]


def is_bad(number: int) -> bool:
    return number % BAD_EVERY == BAD_EVERY - 1


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_killed_again_and_again_with_a_server_that_is_killed_too(
    adapter: str, rabbitmq_server: RabbitServer, topic: Callable[..., str], tmp_path: Path
) -> None:
    server, name = rabbitmq_server, topic("in")
    direct, relayed, database = f"{name}-direct", f"{name}-outbox", tmp_path / "worker.db"
    groups = [f"{name}.{name}-{group}" for group in ("by-hand", "inbox")]
    command = [sys.executable, WORKER, server.url, str(database), name, adapter, "{}"]
    randomly = random.Random(4)
    ground = Ground(server.url)
    ground.declare(name, *groups)
    for exchange in (direct, relayed):
        ground.declare(exchange, f"{exchange}.ground")
    restarts_after = set(randomly.sample(range(KILLS), RESTARTS))
    for kill in range(KILLS):
        ground.publish(name, range(kill * CHUNK, (kill + 1) * CHUNK))
        before = ground.waiting(f"{direct}.ground")
        with service(command):
            until(lambda seen=before: ground.waiting(f"{direct}.ground") > seen, "work")  # type: ignore[misc]
            if kill in restarts_after:
                server.kill()
                server.start()
            time.sleep(randomly.uniform(0.0, 0.3))
    ground.publish(name, range(EVENTS - AFTERWARDS, EVENTS))
    with service(command) as process:
        until(lambda: told(ground, name) == expected(), "both groups", 180)
        until(lambda: set(effects_in(database)) == ALL, "effects", 180)
        until(lambda: nothing_pending(database), "the outbox", 60)
        process.terminate()
        assert process.wait(scaled(60)) == 0
    for queue in groups:
        assert ground.taken(queue) == [], "nothing came back when the last process ended"
    assert told(ground, name) == expected()
    letters = ground.taken(f"{name}.{name}-by-hand.dlq")
    assert {letter["dlq.error.type"] for letter in letters} == {"ValueError"}
    assert effects_in(database) == dict.fromkeys(ALL, 1), "with the inbox each happens exactly once"


def told(ground: Ground, name: str) -> dict[str, set[str]]:
    """Which events there are traces of, by where."""
    attribute = {"direct": "causationid", "outbox": "causationid", "dlq": "id"}
    queues = {
        "direct": f"{name}-direct.ground",
        "outbox": f"{name}-outbox.ground",
        "dlq": f"{name}.{name}-by-hand.dlq",
    }
    return {
        where: {headers[f"cloudEvents_{attribute[where]}"] for headers in ground.taken(queue)}
        for where, queue in queues.items()
    }


def expected() -> dict[str, set[str]]:
    """Which events there are to be traces of."""
    bad = {f"in-{number}" for number in range(EVENTS) if is_bad(number)}
    return {"direct": ALL - bad, "outbox": ALL, "dlq": bad}
