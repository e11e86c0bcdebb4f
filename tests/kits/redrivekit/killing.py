"""A redrive of many dead letters whose collector is killed again and again, on a real broker."""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.mover import KafkaRecordMover
from servers import ManagedProcess, free_port
from servers._process import wait_for
from waiting import Deadline, scaled

PARTITIONS = 6
LETTERS = "/api/v1/dead-letters"
PAYLOAD = b'{"order": "%d", "lines": [{"sku": "MUG-BLUE", "quantity": 1}]}'


@dataclass(slots=True)
class Outcome:
    """What a run showed.

    Attributes:
        arrived: How often each dead letter arrived in its source topic.
        changed: Those whose key, value, headers or partition aren't what they were.
        job: The redrive at its end.
        kills: How often the collector was killed while it ran.
        seconds: From the request to the end, restarts included.
        audit_lines: Lines of the audit about it.
    """

    arrived: Counter[int]
    changed: list[int]
    job: dict[str, Any]
    kills: int
    seconds: float
    audit_lines: int = 0
    kill_points: list[int] = field(default_factory=list)


class KilledRedrive:
    """Topics with dead letters, and a collector that can be killed.

    Args:
        bootstrap_servers: The broker.
        folder: For the store and the log.
        store: Another store than a file in the folder.
        options: Further options of the collector.
    """

    def __init__(
        self, bootstrap_servers: str, folder: Path, store: str | None = None, options: Sequence[str] = ()
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        stem = f"redrive-{uuid.uuid4().hex[:8]}"
        self.source, self.dlq = f"{stem}.orders", f"{stem}.orders.billing.dlq"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._listen = self.url.removeprefix("http://").encode()
        self.collector = ManagedProcess(
            "collector",
            [
                sys.executable, "-m", "flowtrail_collector", "collector", "run",
                "--bootstrap-servers", bootstrap_servers, "--store", store or str(folder / "store.sqlite"),
                "--listen", self._listen.decode(), "--topics", f"{stem}\\.nothing-else",
                "--dead-letter-topics", f"{stem}\\..*\\.dlq", "--log-level", "info",
                *options,
            ],
            ready=lambda: self._answers("/readyz"),
            output=folder / "collector.log",
        )  # fmt: skip
        kafka = KafkaRecordMover(read_connection(bootstrap_servers))
        for topic in (self.source, self.dlq):
            kafka.make_topic(topic, PARTITIONS)
        kafka.close()

    def bury(self, count: int, replays: int = 0, first: int = 0) -> None:
        """Put dead letters into the dead letter topic, as a consumer would."""
        settings = {"bootstrap.servers": self.bootstrap_servers, "linger.ms": 20, "enable.idempotence": True}
        producer = Producer(settings)
        for n in range(first, first + count):
            headers = [*_event(n), *self._death(n), ("dlq.replays", b"%d" % replays)]
            while True:
                try:
                    producer.produce(
                        self.dlq,
                        partition=n % PARTITIONS,
                        key=b"order-%d" % n,
                        value=PAYLOAD % n,
                        headers=[*headers],
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(scaled(60)) == 0

    def run(self, count: int, kills: int, *, rate: float = 0, seed: int = 7) -> Outcome:
        """Redrive everything, killed `kills` times at moments spread over it."""
        assert wait_for(lambda: self.pending() == count, 300), self.pending()
        began = time.monotonic()
        job = self.post(f"{LETTERS}/redrive", {"all": True, "rate": rate, "by": "test"})
        chance = random.Random(seed)
        killed_at: list[int] = []
        for n in range(kills):
            goal = (n + 0.3 + 0.5 * chance.random()) / kills * count
            self._wait_for(job["id"], lambda now, goal=goal: now["total"] - now["left"] >= goal)
            time.sleep(chance.random() * 0.05)  # anywhere in a batch
            self.collector.kill()
            self.collector.start()
            job = self.job(job["id"])
            if job["state"] == "running":
                killed_at.append(job["total"] - job["left"])
        job = self._wait_for(job["id"], lambda now: now["state"] != "running")
        seconds = time.monotonic() - began
        arrived, changed = self._arrived()
        return Outcome(arrived, changed, job, len(killed_at), seconds, kill_points=killed_at)

    def pids(self) -> list[int]:
        """Of the collector's first process and, with `--processes 2`, of the reading one."""
        found = {}
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found[int(command.parent.name)] = command.read_bytes().split(b"\0")
        first = [pid for pid, words in found.items() if self._listen in words and b"-m" in words[:3]]
        parents = {pid: _parent(pid) for pid in found}
        return first + [pid for pid in found if first and parents[pid] == first[0]]

    def pending(self) -> int:
        """Pending dead letters, as the collector counts them."""
        return int(self.post(f"{LETTERS}/redrive", {"dry_run": True})["total"])

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What a POST answers."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=scaled(60)) as answer:
            return json.load(answer)

    def job(self, job_id: str) -> dict[str, Any]:
        """How a redrive stands."""
        found: dict[str, Any] = self.get(f"/api/v1/redrives/{job_id}")
        return found

    def get(self, path: str) -> Any:
        """What a GET answers."""
        with urllib.request.urlopen(self.url + path, timeout=scaled(60)) as answer:
            return json.load(answer)

    def records(self, topic: str) -> Iterator[Any]:
        """Every record that is in a topic now."""
        settings = {
            "bootstrap.servers": self.bootstrap_servers,
            "group.id": "reader",
            "enable.auto.commit": False,
        }
        consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
        try:
            metadata = consumer.list_topics(topic, timeout=scaled(10)).topics[topic]
            ends = {
                n: consumer.get_watermark_offsets(TopicPartition(topic, n))[1] for n in metadata.partitions
            }
            consumer.assign([TopicPartition(topic, n, 0) for n in ends])
            waiting = {n for n, end in ends.items() if end > 0}
            while waiting:
                for message in consumer.consume(1_000, 1.0):
                    assert message.error() is None, message.error()
                    yield message
                    if message.offset() + 1 >= ends[message.partition()]:
                        waiting.discard(message.partition())
        finally:
            consumer.close()

    def _wait_for(self, job_id: str, condition: Any, seconds: float = 600) -> dict[str, Any]:
        deadline = Deadline(seconds)
        while True:
            job = self.job(job_id)
            if condition(job) or job["state"] != "running":
                return job
            assert not deadline.passed, (job, self.collector.last_output())
            time.sleep(0.01)

    def _arrived(self) -> tuple[Counter[int], list[int]]:
        arrived: Counter[int] = Counter()
        changed = []
        for message in self.records(self.source):
            n = int(dict(message.headers())["ce_id"].removeprefix(b"event-"))
            arrived[n] += 1
            expected = (n % PARTITIONS, b"order-%d" % n, PAYLOAD % n, [*_event(n), ("dlq.replays", b"1")])
            if (message.partition(), message.key(), message.value(), message.headers()) != expected:
                changed.append(n)
                if len(changed) <= 5:
                    found = (
                        message.partition(),
                        message.offset(),
                        message.key(),
                        message.value(),
                        message.headers(),
                    )
                    print("changed:", found, "instead of", expected, file=sys.stderr)
        return arrived, changed

    def _death(self, n: int) -> list[tuple[str, bytes]]:
        return [
            ("dlq.topic", self.source.encode()),
            ("dlq.partition", b"%d" % (n % PARTITIONS)),
            # Where no copy will ever stand, just as none stands where an original does.
            ("dlq.offset", b"%d" % (1_000_000_000 + n)),
            ("dlq.group", b"billing"),
            ("dlq.attempts", b"4"),
            ("dlq.error.type", b"ValueError"),
            ("dlq.error.message", b"total_cents is negative"),
        ]

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=scaled(2)) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


def _event(n: int) -> list[tuple[str, bytes]]:
    return [
        ("ce_id", b"event-%d" % n),
        ("ce_type", b"OrderPlaced"),
        ("ce_source", b"/orders"),
        ("ce_subject", b"order-%d" % n),
        ("ce_correlationid", b"flow-%d" % n),
        ("traceparent", b"00-%032x-%016x-01" % (n + 1, n + 1)),
    ]


def _parent(pid: int) -> int:
    """The process that started another one; 0 if that is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
