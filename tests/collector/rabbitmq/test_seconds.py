"""How long the oldest message has waited, held against when it was really published and acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import pika
import pytest

from rabbitkit import Corner, Following
from rabbitkit._corner import send
from waiting import scaled, until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PHASE_SECONDS = 8
PREFETCH = 100
ALLOWED_SECONDS = 1.0


class Truth:
    """When each message was published and acknowledged, seconds since the epoch."""

    def __init__(self) -> None:
        self.published: list[float] = []
        self.acknowledged: dict[int, float] = {}

    def waited(self, at: float) -> float:
        """How long the oldest message had waited at a moment; 0 if there was none."""
        waiting = (
            when
            for number, when in enumerate(self.published)
            if when <= at and self.acknowledged.get(number, at + 1) > at
        )
        return max((at - when for when in waiting), default=0.0)


@contextmanager
def consumer(corner: Corner, queue: str, truth: Truth, pause_seconds: float) -> Iterator[None]:
    """Takes so long for each message."""
    ended = threading.Event()

    def work() -> None:
        with corner.channel() as channel:
            channel.basic_qos(prefetch_count=PREFETCH)
            for method, properties, _ in channel.consume(queue, inactivity_timeout=0.1):
                if ended.is_set():
                    return
                if method is None:
                    continue
                ended.wait(pause_seconds)
                channel.basic_ack(method.delivery_tag)
                channel.connection.process_data_events(0)
                number = int(properties.message_id.rpartition("-")[2])
                truth.acknowledged[number] = time.time()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(scaled(20))


def publish(channel: Any, exchange: str, truth: Truth, *, rate: float, burst: bool) -> None:
    """Publish for a phase: evenly, or all of a second at once."""
    began, first, size = time.monotonic(), len(truth.published), int(rate) if burst else 1
    while (now := time.monotonic() - began) < PHASE_SECONDS:
        if len(truth.published) - first < rate * now:
            for _ in range(size):
                truth.published.append(time.time())
                send(channel, exchange, len(truth.published) - 1, "OrderPlaced")
        channel.connection.process_data_events(0.02)


class Watch(threading.Thread):
    """Notes what the collector says, by phase."""

    def __init__(self, following: Following, queue: str) -> None:
        super().__init__(daemon=True)
        self._following = following
        self._queue = queue
        self.ended = threading.Event()
        self.phase = ""
        self.said: dict[str, dict[float, float | None]] = {}

    def run(self) -> None:
        while not self.ended.wait(0.4):
            answer = self._following.api(f"lag?group=rabbitmq:{self._queue}")
            if answer is not None:
                at = datetime.fromisoformat(answer["collected_at"]).timestamp()
                self.said.setdefault(self.phase, {})[at] = answer["groups"][0]["lag_seconds"]


@pytest.mark.timeout(600)
def test_seconds_are_as_true_as_the_servers_counts_whatever_the_queue_does(
    corner: Corner, following: Following
) -> None:
    orders = corner.exchange("orders")
    queue = corner.queue("orders.billing", orders)
    truth = Truth()
    with following, corner.channel() as channel:
        until(lambda: following.api(f"lag?group=rabbitmq:{queue}"), "the queue")
        watch = Watch(following, queue)
        watch.start()
        phases = {
            "idle": (0.0, False, 2), "steady": (20.0, False, 2), "bursty": (10.0, True, 1),
            "stopped": (5.0, False, 0), "resumed": (5.0, False, 2),
        }  # fmt: skip
        for phase, (rate, burst, consumers) in phases.items():
            watch.phase = phase
            with ExitStack() as reading:
                for _ in range(consumers):
                    reading.enter_context(consumer(corner, queue, truth, 0.02))
                if rate:
                    publish(channel, orders, truth, rate=rate, burst=burst)
                else:
                    threading.Event().wait(PHASE_SECONDS)
        watch.ended.set()
        watch.join(scaled(20))
    for phase, said in watch.said.items():
        known = {at: seconds for at, seconds in said.items() if seconds is not None}
        assert len(known) >= 2, (phase, said)
        assert all(seconds >= 0 for seconds in known.values())
        errors = [abs(seconds - truth.waited(at)) for at, seconds in known.items()]
        mean = sum(errors) / len(errors)
        print(f"{phase}: mean error {mean:.2f} s, worst {max(errors):.2f} s, {len(errors)} looks")
        assert mean <= scaled(ALLOWED_SECONDS), (phase, known, {at: truth.waited(at) for at in known})


def test_what_waited_before_the_first_look_has_no_age_unless_the_server_tells(
    corner: Corner, following: Following
) -> None:
    untold = corner.queue("orders.quorum", x_queue_type="quorum")
    with corner.channel() as channel:
        channel.basic_publish("", untold, b"x", pika.BasicProperties(delivery_mode=2))
    with following:
        found = until(
            lambda: (answer := following.api(f"lag?group=rabbitmq:{untold}")) and answer["groups"][0],
            "the queue",
        )
        assert (found["lag"], found["lag_seconds"]) == (1, None)
