"""Workers of one server count together: prometheus_client's multiprocess mode, under the real gunicorn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from waiting import scaled, until

APPLICATION = """
import os

import flowtrail
from prometheus_client import CollectorRegistry, generate_latest, multiprocess

trail = flowtrail.Trail(service="web", bootstrap_servers=os.environ["BROKER"])


def application(environ, start_response):
    if environ["PATH_INFO"] == "/metrics":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        body = generate_latest(registry)
    else:
        trail.publish(os.environ["TOPIC"], {"worker": os.getpid()}, type="Visited")
        body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [body]
"""
CONFIGURATION = """
from prometheus_client import multiprocess


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
"""
REQUESTS = 40


class Server:
    """gunicorn with two workers; `get` asks it, `samples` reads its metrics."""

    def __init__(self, folder: Path, broker: str, topic: str) -> None:
        (folder / "app.py").write_text(APPLICATION)
        (folder / "conf.py").write_text(CONFIGURATION)
        (folder / "metrics").mkdir()
        self.log = folder / "log"
        environment = {
            **os.environ,
            "BROKER": broker,
            "TOPIC": topic,
            "FLOWTRAIL_CLIENT": "confluent",
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-w", "2", "-b", "127.0.0.1:0", "-c", "conf.py",
                 "app:application"],
                cwd=folder, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        until(lambda: "Listening at: " in self.log.read_text(), "gunicorn to listen")
        self.url = self.log.read_text().partition("Listening at: ")[2].split()[0]

    def get(self, path: str = "/") -> str:
        """The body of a page."""
        with urlopen(self.url + path, timeout=scaled(30)) as response:
            body: bytes = response.read()
        return body.decode()

    def samples(self) -> dict[str, float]:
        """Sums of the samples about `send`, by name."""
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(self.get("/metrics")):
            for sample in family.samples:
                if sample.labels.get("messaging_operation_name") == "send" and "le" not in sample.labels:
                    found[sample.name] = found.get(sample.name, 0) + sample.value
        return found


@pytest.fixture
def server(tmp_path: Path, devbroker: str, topic: Callable[..., str]) -> Iterator[Server]:
    """A running server; its workers publish to the embedded broker."""
    started = Server(tmp_path, devbroker, topic())
    yield started
    started.process.terminate()
    started.process.wait(scaled(30))


@pytest.mark.slow
def test_gunicorns_workers_add_up(server: Server) -> None:
    workers: set[int] = set()

    def ask() -> bool:
        workers.add(int(server.get()))
        return len(workers) == 2

    asked = 0
    while asked < REQUESTS or len(workers) < 2:
        ask()
        asked += 1
        assert asked < 20 * REQUESTS, "one worker never got a request"
    expected = {
        "messaging_client_sent_messages_total": asked,
        "messaging_client_operation_duration_seconds_count": asked,
    }
    assert expected.items() <= server.samples().items(), "whichever worker answers"
    os.kill(min(workers), signal.SIGKILL)
    until(lambda: server.log.read_text().count("Booting worker") == 3, "a new worker")
    server.get()
    assert server.samples()["messaging_client_sent_messages_total"] == asked + 1, (
        "a dead worker's count stays"
    )
