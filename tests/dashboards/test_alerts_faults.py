"""Alerts seen firing, and ending, on a real Prometheus beside a collector whose Kafka and whose store are in trouble.

| fault | alerts |
| --- | --- |
| a member that holds its partition and commits nothing | GroupStalled |
| a member slower than what is written | GroupFallingBehind |
| a topic cut by size up to what a group hasn't read | RetentionNear |
| a service whose spans reach nobody | SpansLost |
| somebody holds the store's lock | CollectorBehind, CollectorFailing, SpansRefused |
| the broker is away | LagFiguresOld, CollectorBlind |
"""

from __future__ import annotations

import contextlib
import http.client
import os
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from dashkit.files import alerts
from dashkit.many_spans import spans_request
from dashkit.shortened import shortened_rules
from servers import KafkaServer, ManagedProcess, PrometheusServer, answers, free_port
from servers._process import wait_for
from waiting import scaled

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.timeout(500),
    pytest.mark.skipif(
        os.environ.get("FLOWTRAIL_FULL", "") in ("", "0"),
        reason="takes minutes; FLOWTRAIL_FULL=1 runs it",
    ),
]

CLIENTS = {"GroupStalled", "GroupFallingBehind", "RetentionNear", "SpansLost"}
STORE = {"CollectorBehind", "CollectorFailing", "SpansRefused"}
BROKER = {"LagFiguresOld", "CollectorBlind"}


class Stage:
    """A broker, a collector and a Prometheus that watches it."""

    def __init__(self, server: KafkaServer, folder: Path) -> None:
        self.server = server
        self.bootstrap = server.bootstrap_servers
        self.store = folder / "collector.sqlite"
        self.port, self.service_port = free_port(), free_port()
        command = [
            sys.executable, "-m", "flowtrail_collector", "collector", "run",
            "--bootstrap-servers", self.bootstrap, "--store", str(self.store),
            "--listen", f"127.0.0.1:{self.port}", "--topics", "work",
            "--lag-interval", "1s", "--lag-window", "10s",
        ]  # fmt: skip
        url = f"http://127.0.0.1:{self.port}"
        self.collector = ManagedProcess(
            "collector", command, ready=lambda: answers(f"{url}/readyz"), output=folder / "collector.log"
        )
        self.service = ManagedProcess(
            "service",
            [sys.executable, "-m", "dashkit.lossy_service", str(self.service_port)],
            ready=lambda: answers(f"http://127.0.0.1:{self.service_port}/metrics"),
            output=folder / "service.log",
            env={
                "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
                "FLOWTRAIL_OTLP_ENDPOINTS": f"http://127.0.0.1:{free_port()}",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
        )
        jobs = {"flowtrail": f"127.0.0.1:{self.port}", "lossy": f"127.0.0.1:{self.service_port}"}
        self.prometheus = PrometheusServer(folder / "prometheus", jobs, shortened_rules(folder))

    def start(self) -> None:
        for part in (self.collector, self.service, self.prometheus):
            part.start()

    def stop(self) -> None:
        for part in (self.prometheus, self.service, self.collector):
            part.kill()

    def firing(self) -> set[str]:
        return {name.removeprefix("Flowtrail") for name in self.prometheus.firing()}

    def await_alerts(self, wanted: set[str], seconds: float) -> None:
        """Wait until each has fired at some time."""
        began, seen = time.monotonic(), dict[str, float]()

        def all_seen() -> bool:
            for name in wanted & self.firing() - seen.keys():
                seen[name] = round(time.monotonic() - began, 1)
            return seen.keys() >= wanted

        wait_for(all_seen, seconds)
        print(f"fired after: {seen}")
        assert wanted - seen.keys() == set()


@contextlib.contextmanager
def busy(*works: Callable[[], None]) -> Iterator[None]:
    """Repeat each in a thread of its own."""
    closing = threading.Event()

    def repeat(work: Callable[[], None]) -> None:
        while not closing.is_set():
            work()

    threads = [threading.Thread(target=repeat, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        closing.set()
        for thread in threads:
            thread.join(scaled(30))


def writer(bootstrap: str, topic: str, size: int, each_second: int) -> Callable[[], None]:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})

    def write() -> None:
        producer.produce(topic, os.urandom(size), headers=[*event_headers()])
        producer.poll(0)
        time.sleep(1 / each_second)

    return write


def event_headers() -> list[tuple[str, bytes]]:
    return [("ce_id", uuid.uuid4().hex.encode()), ("ce_type", b"Worked"), ("ce_source", b"/test")]


def member(bootstrap: str, topic: str, group: str, pause: float, commits: bool) -> Callable[[], None]:
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })  # fmt: skip
    consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    consumer.subscribe([topic])

    def read() -> None:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None and commits:
            consumer.commit(message=message, asynchronous=False)
        time.sleep(pause)

    return read


def fill(bootstrap: str, topic: str, count: int, size: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for _ in range(count):
        producer.produce(topic, os.urandom(size))
        producer.poll(0)
    assert producer.flush(scaled(60)) == 0


def leave_group_at_the_end(bootstrap: str, topic: str, group: str) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=scaled(10))[1]
    consumer.commit(offsets=[TopicPartition(topic, 0, end)], asynchronous=False)
    consumer.close()


@contextlib.contextmanager
def store_locked(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()


def flood(port: int) -> Callable[[], None]:
    """More spans at once than may wait for the store."""
    body = spans_request()

    def send(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=scaled(60))
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            connection.getresponse().read()
        connection.close()

    def send_all() -> None:
        with ThreadPoolExecutor(30) as pool:
            list(pool.map(send, range(30)))

    return send_all


def test_alerts_fire_and_end(kafka_server: Callable[..., KafkaServer], tmp_path: Path) -> None:
    assert {f"Flowtrail{name}" for name in CLIENTS | STORE | BROKER} <= set(alerts())
    server = kafka_server({"log.retention.check.interval.ms": "500"})
    bootstrap = server.bootstrap_servers
    megabyte = 1024 * 1024
    kept = {"retention.bytes": str(20 * megabyte), "segment.bytes": str(megabyte)}
    topics = [NewTopic("work", 1, 1), NewTopic("kept", 1, 1, config=kept), NewTopic("lossy", 1, 1)]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics(topics).values():
        made.result(scaled(30))
    fill(bootstrap, "work", 500, 100)
    fill(bootstrap, "kept", 2_000, 10_000)
    leave_group_at_the_end(bootstrap, "kept", "reads-late")
    stage = Stage(server, tmp_path)
    try:
        stage.start()
        with busy(
            writer(bootstrap, "work", 200, 40),
            writer(bootstrap, "kept", 10_000, 30),
            member(bootstrap, "work", "hangs", 0.2, commits=False),
            member(bootstrap, "work", "slow", 0.2, commits=True),
        ):
            stage.await_alerts(CLIENTS, 120)
            assert not stage.firing() & (STORE | BROKER)
            with store_locked(stage.store), busy(flood(stage.port)):
                stage.await_alerts(STORE, 120)
            assert wait_for(lambda: not stage.firing() & STORE, 90), stage.firing() & STORE
        server.stop()
        stage.await_alerts(BROKER, 120)
        server.start()
        assert wait_for(lambda: not stage.firing() & (STORE | BROKER), 120), stage.firing()
    finally:
        stage.stop()
