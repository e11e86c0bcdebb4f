"""The programs of the page on forking, run as it says: by the real gunicorn, uvicorn and Celery."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from instrumentation.delivery.ground import Ground, ground_of
from servers import ManagedProcess, free_port
from tools.docs.blocks import ROOT, blocks_of
from waiting import scaled, until

PAGE = ROOT / "docs" / "forking.md"
BLOCKS = blocks_of(PAGE)
CLIENTS = ("kafka-python", "confluent", "aiokafka")
COMMANDS = [line for block in BLOCKS if block.language == "sh" for line in block.text.splitlines()]
SERVERS = [
    pytest.param(client, command, id=f"{client} {' '.join(command.split()[:5])}")
    for client in CLIENTS
    for command in COMMANDS
    if "8000" in command
]


@pytest.fixture
def folder(tmp_path: Path, devbroker: str) -> Path:
    """The page's files, connected to a broker."""
    for block in BLOCKS:
        if block.file is not None:
            text = block.text.replace("localhost:9092", devbroker)
            (tmp_path / block.file).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def ground(devbroker: str) -> Iterator[Ground]:
    with ground_of(devbroker) as ground:
        yield ground


@contextmanager
def started(
    command: str, folder: Path, client: str, ready: Callable[[], bool], **variables: str
) -> Iterator[None]:
    """A command of the page as a process."""
    program, *arguments = shlex.split(command)
    process = ManagedProcess(
        program,
        [str(Path(sys.executable).with_name(program)), *arguments],
        ready=ready,
        output=folder / "output.txt",
        env={"FLOWTRAIL_CLIENT": client, "OTEL_SDK_DISABLED": "true", **variables},
        cwd=folder,
    )
    process.start()
    try:
        yield
    finally:
        process.stop()
    said = (folder / "output.txt").read_text(encoding="utf-8")
    assert "Traceback" not in said, said


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=scaled(20)) as response:
            return bool(response.status == 202)
    except (urllib.error.URLError, OSError):
        return False


def subjects(ground: Ground, topic: str) -> list[str]:
    """Of a topic's events; none if it isn't there yet."""
    if topic not in ground.topics():
        return []
    return sorted(dict(message.headers())["ce_subject"].decode() for message in ground.read(topic))


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.parametrize(("client", "command"), SERVERS)
def test_web_servers_publish_from_every_worker(
    client: str, command: str, folder: Path, ground: Ground
) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with started(command.replace("8000", str(port)), folder, client, lambda: answers(f"{base}/first")):
        placed = [f"ORD-{number}" for number in range(20)]
        assert all(answers(f"{base}/{order_id}") for order_id in placed)
        assert set(placed) < set(subjects(ground, "orders"))
        if "asgi" in command:
            until(lambda: set(placed) <= set(subjects(ground, "receipts")), "receipts of all orders")
        else:
            assert subjects(ground, "shops") == ["shop"], "once, before the fork"


@pytest.mark.servers
@pytest.mark.slow
def test_one_page_has_the_metrics_of_all_workers(folder: Path, ground: Ground) -> None:
    (command,) = [line for line in COMMANDS if "shop_metrics" in line]
    port, counts = free_port(), folder / "counts"
    counts.mkdir()
    base = f"http://127.0.0.1:{port}"

    def placed() -> float:
        with urllib.request.urlopen(f"{base}/metrics", timeout=scaled(20)) as response:
            page = response.read().decode()
        sent = [
            line for line in page.splitlines() if line.startswith("messaging_client_sent_messages_total{")
        ]
        return sum(float(line.split()[-1]) for line in sent if 'destination_name="orders"' in line)

    with started(
        command.replace("9464", str(port)), folder, "kafka-python", lambda: answers(f"{base}/first"),
        PROMETHEUS_MULTIPROC_DIR=str(counts),
    ):  # fmt: skip
        before = placed()
        assert all(answers(f"{base}/ORD-{number}") for number in range(20))
        until(lambda: placed() == before + 20, "the orders that both workers took")


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_celery_publishes_from_its_pool(client: str, folder: Path, ground: Ground) -> None:
    from celery import Celery

    # Celery's own queue is a folder here; what is written there is read there.
    queue = folder / "queue"
    queue.mkdir()
    options = {"data_folder_in": str(queue), "data_folder_out": str(queue), "control_folder": str(queue)}
    (folder / "queueing.py").write_text(f"broker_transport_options = {options!r}\n", encoding="utf-8")
    (command,) = [line for line in COMMANDS if line.startswith("celery ")]
    variables = {"CELERY_BROKER_URL": "filesystem://", "CELERY_CONFIG_MODULE": "queueing"}
    sender = Celery("billing", broker="filesystem://", broker_transport_options=options)
    placed = [f"ORD-{number}" for number in range(10)]
    with started(command, folder, client, lambda: "workers" in ground.topics(), **variables):
        for order_id in placed:
            sender.send_task("billing.charge", (order_id,))
        until(lambda: len(subjects(ground, "payments")) >= len(placed), "all payments")
    sender.close()
    assert subjects(ground, "payments") == placed
    assert subjects(ground, "workers") == ["billing"]


@pytest.mark.servers
@pytest.mark.parametrize("client", CLIENTS)
def test_multiprocessing_publishes_from_its_pool(client: str, folder: Path, ground: Ground) -> None:
    done = subprocess.run(
        [sys.executable, "counting.py"], cwd=folder, env={**os.environ, "FLOWTRAIL_CLIENT": client},
        capture_output=True, text=True, timeout=scaled(60), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = [json.loads(message.value()) for message in ground.read("stock")]
    assert sorted(data["shelf"] for data in found if "shelf" in data) == [0, 1, 2, 3]
    assert [data for data in found if "shelf" not in data] == [{"shelves": 4}]
