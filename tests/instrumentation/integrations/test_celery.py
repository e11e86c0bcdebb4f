"""Tasks of a real Celery worker with processes of its own: they belong to the flow of whoever sent them."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

import flowtrail
from servers import ManagedProcess
from waiting import Deadline

HEADERS = {
    "ce_correlationid": "flow-1",
    "ce_causationid": "e-1",
    "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
}


class World:
    """A worker, and the same tasks here to be sent."""

    def __init__(self, tasks: Any, servers: str, topic: str, worker: ManagedProcess) -> None:
        self.tasks = tasks
        self.worker = worker
        self._consumer = KafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
        self._records: list[Any] = []

    def published(self, subject: str, count: int) -> list[dict[str, str]]:
        """Headers of what the tasks published about a subject, waiting for so many."""
        deadline = Deadline(60)
        while True:
            headers = [{name: text.decode() for name, text in record.headers} for record in self._records]
            found = [each for each in headers if each["ce_subject"] == subject]
            if len(found) >= count:
                return sorted(found, key=lambda each: each["ce_type"])
            assert not deadline.passed, (headers, self.worker.last_output())
            for records in self._consumer.poll(timeout_ms=200).values():
                self._records += records

    def close(self) -> None:
        self._consumer.close()
        self.worker.stop()
        self.worker.kill()


@pytest.fixture
def world(
    kafka: str, topic: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    payments, folder = topic("payments"), tmp_path / "queue"
    folder.mkdir()
    environment = {"TASKS_FOLDER": str(folder), "TASKS_TOPIC": payments, "TASKS_SERVERS": kafka}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    here = Path(__file__).parent
    monkeypatch.syspath_prepend(str(here))
    sys.modules.pop("tasks", None)
    tasks = importlib.import_module("tasks")
    command = [
        sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO",
    ]  # fmt: skip
    worker = ManagedProcess(
        "celery", command, ready=lambda: True, output=tmp_path / "worker.log",
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)}, cwd=here,
    )  # fmt: skip
    worker.start()
    running = World(tasks, kafka, payments, worker)
    try:
        yield running
    finally:
        running.close()
        tasks.trail.close()
        sys.modules.pop("tasks", None)


def test_tasks_belong_to_the_flow_they_were_sent_in(world: World) -> None:
    with flowtrail.restore(flowtrail.extract(HEADERS)):
        world.tasks.charge.delay("o-1")
        world.tasks.charge.delay("o-2", fail=True)
    outside = world.tasks.charge.delay("o-3")

    for subject in ("o-1", "o-2"):
        charged, receipt = world.published(subject, 2)
        assert (charged["ce_type"], receipt["ce_type"]) == ("PaymentCompleted", "ReceiptSent")
        for event in (charged, receipt):
            assert event["ce_correlationid"] == "flow-1"
            assert event["ce_causationid"] == "e-1"
            assert event["traceparent"].split("-")[1] == "ab" * 16
    charged, receipt = world.published("o-3", 2)
    assert charged["ce_correlationid"] == receipt["ce_correlationid"] == outside.id
    assert "ce_causationid" not in charged
