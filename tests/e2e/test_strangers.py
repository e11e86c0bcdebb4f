"""Programs as strangers write them, each on another client: one trail, the right map, the right `by`.

FastAPI with aiokafka, a loop on confluent-kafka with Avro values, Celery with kafka-python, a batch consumer,
and two topics of a producer that writes no headers at all, read by a mapping.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from ruamel.yaml import YAML

from e2e.shop import get_json
from servers import ManagedProcess, answers, free_port
from waiting import Deadline, scaled, until

pytestmark = pytest.mark.servers

HERE = Path(__file__).parent / "stranger"
TOPICS = ("orders", "payments", "shipments", "archived", "weights", "doors")
MAPPING = """
mapping:
  {prefix}weights: {{type: ParcelWeighed, id: {{field: $.id}}, correlation: {{field: $.order}}, subject: {{field: $.order}}, source: /warehouse}}
  {prefix}doors: {{type: {{field: $.what}}, correlation: {{field: $.order}}, subject: {{field: $.order}}, source: /warehouse}}
"""
BY = {
    "PaymentCompleted": "billing",
    "OrderShipped": "shipping",
    "OrderArchived": "archive",
    "ParcelWeighed": "warehouse",
    "DoorOpened": "warehouse",
}
CAUSES = {
    "OrderPlaced": None,
    "PaymentCompleted": "OrderPlaced",
    "OrderShipped": "PaymentCompleted",
    "OrderArchived": "OrderShipped",
    "ParcelWeighed": None,
    "DoorOpened": None,
}


class World:
    """The programs and a collector, on a Kafka."""

    def __init__(self, servers: str, registry: str, folder: Path) -> None:
        self.servers = servers
        self.prefix = f"s{uuid.uuid4().hex[:8]}."
        self._folder = folder
        self._collector_port, self._web_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._collector_port}"
        self.web = f"http://127.0.0.1:{self._web_port}"
        queue = folder / "queue"
        queue.mkdir()
        self._environment = {
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "PREFIX": self.prefix,
            "REGISTRY": registry,
            "QUEUE": str(queue),
            "FLOWTRAIL_OTLP_ENDPOINTS": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        self._programs = [
            self._collector(),
            self._program("web", "-m", "uvicorn", "web:app", "--port", str(self._web_port),
                          ready=lambda: answers(f"{self.web}/healthz")),
            self._program("billing", "billing.py"),
            self._program("tasks", "-m", "celery", "-A", "tasks", "worker", "--concurrency", "2",
                          "--without-gossip", "--without-mingle", "--without-heartbeat"),
            self._program("shipping", "shipping.py"),
            self._program("archive", "archive.py"),
        ]  # fmt: skip

    def start(self) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.servers)
        admin.create_topics([NewTopic(self.prefix + name, 2, 1) for name in TOPICS])
        admin.close()
        for program in self._programs:
            program.start()

    def stop(self) -> None:
        for program in reversed(self._programs):
            program.stop()
            program.kill()

    def output(self) -> str:
        return "\n".join(f"{program.name}: {program.last_output(1500)}" for program in self._programs)

    def order(self, order: str) -> dict[str, str]:
        """Place an order, weigh its parcel and open the door; the response's headers."""
        request = urllib.request.Request(
            f"{self.web}/orders/{order}", b"", {"x-correlation-id": order}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=scaled(20)) as answer:
            headers = dict(answer.headers)
        producer = KafkaProducer(bootstrap_servers=self.servers)
        for topic, value in (
            ("weights", {"id": f"w-{order}", "order": order, "grams": 250}),
            ("doors", {"order": order, "what": "DoorOpened"}),
        ):
            producer.send(self.prefix + topic, json.dumps(value).encode()).get(timeout=scaled(20))
        producer.close()
        return headers

    def trail(self, order: str) -> dict[str, Any]:
        found = get_json(f"{self.url}/api/v1/trails/{order}")
        return found["trail"] if found else {"entries": []}

    def whole(self, order: str) -> dict[str, Any] | None:
        """The order's trail, once everything is in it."""
        trail = self.trail(order)
        # An entry that comes from a span has no type until its event was read.
        published = {entry.get("event_type") for entry in trail["entries"] if entry["kind"] == "publish"}
        handled = {entry.get("event_type") for entry in trail["entries"] if entry["kind"] == "process"}
        kinds = {entry["kind"] for entry in trail["entries"]}
        there = published >= CAUSES.keys() and handled >= CAUSES.keys() - {
            "OrderArchived", "ParcelWeighed", "DoorOpened",
        }  # fmt: skip
        return trail if there and "command" in kinds else None

    def edges(self) -> set[tuple[str, str, str]]:
        """Which service reacts to which, on which topic."""
        found = get_json(f"{self.url}/api/v1/topology")["edges"]
        return {
            tuple(edge[name].removeprefix(self.prefix) for name in ("source", "topic", "target"))
            for edge in found
        }

    def learned(self) -> dict[str, Any]:
        """The draft of a flow file."""
        command = [sys.executable, "-m", "flowtrail_collector", "flows", "learn", "--url", self.url]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=scaled(60), check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        draft: dict[str, Any] = YAML(typ="safe").load(done.stdout)
        return draft

    def headers(self, topic: str, order: str) -> dict[str, str]:
        """Headers of the record about an order, from the topic itself."""
        consumer = KafkaConsumer(
            self.prefix + topic, bootstrap_servers=self.servers, auto_offset_reset="earliest"
        )
        deadline = Deadline(30)
        try:
            while not deadline.passed:
                for records in consumer.poll(timeout_ms=200).values():
                    for record in records:
                        if record.key == order.encode():
                            return {name: value.decode() for name, value in record.headers}
        finally:
            consumer.close()
        raise AssertionError(f"nothing about {order} on {topic}")

    def _collector(self) -> ManagedProcess:
        flows = self._folder / "flows.yaml"
        flows.write_text(MAPPING.format(prefix=self.prefix), encoding="utf-8")
        pattern = self.prefix.replace(".", "\\.")
        return self._program(
            "collector", "-m", "flowtrail_collector", "collector", "run",
            "--bootstrap-servers", self.servers,
            "--flows", str(flows),
            "--store", str(self._folder / "collector.sqlite"),
            "--listen", f"127.0.0.1:{self._collector_port}",
            "--topics", f"{pattern}({'|'.join(TOPICS)})",
            ready=lambda: answers(f"{self.url}/readyz"),
        )  # fmt: skip

    def _program(self, name: str, *command: str, ready: Callable[[], bool] = lambda: True) -> ManagedProcess:
        return ManagedProcess(
            name, [sys.executable, *command], ready=ready, output=self._folder / f"{name}.log",
            env=self._environment, cwd=HERE,
        )  # fmt: skip


@pytest.fixture(scope="module")
def world(kafka: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    running = World(kafka, registry, tmp_path_factory.mktemp("strangers"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


ORDERS = [f"ORD-{number}" for number in range(1, 5)]


@pytest.fixture(scope="module")
def trails(world: World) -> list[dict[str, Any]]:
    """The trails of some orders, each whole."""
    for order in ORDERS:
        assert world.order(order)["x-correlation-id"] == order

    def lacking() -> str:
        return f"a whole trail: {json.dumps(world.trail(ORDERS[0]), indent=1)}\n{world.output()}"

    return [until(lambda order=order: world.whole(order), lacking, 90) for order in ORDERS]


def test_one_trail(trails: list[dict[str, Any]]) -> None:
    for order, trail in zip(ORDERS, trails, strict=True):
        assert trail["correlation_ids"] == [order]
        published = [entry for entry in trail["entries"] if entry["kind"] == "publish"]
        types = {entry["event_id"]: entry["event_type"] for entry in published}
        assert len(types) == len(published) == len(CAUSES)
        causes = {entry["event_type"]: types.get(entry.get("causation_id", "")) for entry in published}
        assert causes == CAUSES


def test_one_trace_through_http_three_clients_and_a_task_queue(
    world: World, trails: list[dict[str, Any]]
) -> None:
    order = ORDERS[0]
    wire = [world.headers(topic, order) for topic in ("orders", "payments", "shipments")]
    assert len({headers["traceparent"].split("-")[1] for headers in wire}) == 1
    for headers, service in zip(wire, ("shop", "billing", "shipping"), strict=True):
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_source"] == f"/{world.prefix}{service}"
        assert headers["ce_time"]


def test_the_right_map(world: World, trails: list[dict[str, Any]]) -> None:
    expected = {
        ("shop", "orders", "billing"),
        ("billing", "payments", "shipping"),
        ("shipping", "shipments", "archive"),
    }
    until(lambda: world.edges() >= expected, world.edges, 40)
    assert world.edges() == expected


def test_the_right_by(world: World, trails: list[dict[str, Any]]) -> None:
    def steps() -> dict[str, str]:
        (flow,) = world.learned()["flows"].values()
        return {
            step["done"]: step["by"].removeprefix(world.prefix)
            for step in flow["steps"].values()
            if "by" in step
        }

    assert until(lambda: steps() == BY and BY, steps, 40) == BY
