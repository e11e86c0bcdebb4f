"""The programs of docs/integrations run, with the real packages, and do what their pages say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer

from servers import ManagedProcess
from tools.docs.blocks import ROOT, UNTIL_READY, Block, blocks_of
from waiting import Deadline, scaled

pytestmark = pytest.mark.servers

BLOCKS = {
    f"{page.stem} {block.file or f'line {block.line}'}": block
    for page in sorted((ROOT / "docs" / "integrations").glob("*.md"))
    for block in blocks_of(page)
    if block.language == "python"
}
MYSITE = """
SECRET_KEY = "of a test"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "mysite.sqlite"}}
USE_TZ = True
"""


def text_of(block: Block, broker: str, registry: str = "") -> str:
    return block.text.replace("localhost:9092", broker).replace("http://localhost:8081", registry)


def place(folder: Path, block: Block, broker: str, registry: str = "") -> Path:
    """Write a program, and what it expects beside it."""
    script = folder / (block.file or "program.py")
    script.write_text(UNTIL_READY + text_of(block, broker, registry), encoding="utf-8")
    (folder / "mysite").mkdir()
    (folder / "mysite" / "settings.py").write_text(MYSITE, encoding="utf-8")
    tasks = BLOCKS["celery tasks.py"]
    (folder / "tasks.py").write_text(text_of(tasks, broker), encoding="utf-8")
    return script


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=scaled(120), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name", [name for name, block in BLOCKS.items() if "localhost:8081" not in block.text]
)
def test_block_runs(name: str, devbroker: str, tmp_path: Path) -> None:
    run(tmp_path, str(place(tmp_path, BLOCKS[name], devbroker)))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("avro avro_codec.py", "ORD-1 500"),
        ("avro avro_loop.py", "PaymentCompleted {'order_id': 'ORD-1'}"),
    ],
)
def test_avro_goes_through_a_registry(
    name: str, shown: str, devbroker: str, registry: str, tmp_path: Path
) -> None:
    script = place(tmp_path, BLOCKS[name], devbroker, registry)
    if name == "avro avro_codec.py":  # ends once the event is handled
        text = script.read_text(encoding="utf-8").replace(
            "print(event.data.order_id, event.data.total_cents)",
            "print(event.data.order_id, event.data.total_cents, flush=True); os.kill(os.getpid(), signal.SIGTERM)",
        )
        script.write_text("import os, signal\n" + text.removeprefix(UNTIL_READY), encoding="utf-8")
    assert shown in run(tmp_path, str(script))


def test_every_page_has_a_program() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "integrations").glob("*.md")}
    assert {name.partition(" ")[0] for name in BLOCKS} == pages
    assert len(BLOCKS) >= 12


def read(broker: str, topic: str) -> Any:
    """The first record of a topic."""
    consumer = KafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest")
    deadline = Deadline(60)
    try:
        while not deadline.passed:
            for records in consumer.poll(timeout_ms=200).values():
                return records[0]
    finally:
        consumer.close()
    raise AssertionError(f"nothing came on {topic}")


@pytest.mark.parametrize(
    ("file", "answer"), [("billing.py", "PaymentCompleted"), ("archive.py", "OrderArchived")]
)
def test_faststream_handles_orders(file: str, answer: str, devbroker: str, tmp_path: Path) -> None:
    script = place(tmp_path, BLOCKS[f"faststream {file}"], devbroker)
    producer = KafkaProducer(bootstrap_servers=devbroker)
    order = json.dumps({"order_id": "ORD-1", "total_cents": 500}).encode()
    producer.send("orders", order, key=b"ORD-1", headers=[("ce_id", b"e-1"), ("ce_correlationid", b"f-1")])
    producer.flush()
    command = [sys.executable, "-m", "faststream", "run", f"{script.stem}:app"]
    service = ManagedProcess(
        script.stem, command, ready=lambda: True, output=tmp_path / "log", cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    service.start()
    try:
        record = read(devbroker, {"PaymentCompleted": "payments", "OrderArchived": "archived"}[answer])
        headers = dict(record.headers)
        assert (headers["ce_type"], headers["ce_causationid"]) == (answer.encode(), b"e-1")
        assert headers["ce_correlationid"] == b"f-1"
    finally:
        producer.close()
        service.stop()
        service.kill()


def test_the_shop_places_orders_in_the_callers_flow(devbroker: str, tmp_path: Path) -> None:
    place(tmp_path, BLOCKS["http shop.py"], devbroker)
    (tmp_path / "buy.py").write_text(
        "from starlette.testclient import TestClient\n"
        "from shop import app\n"
        "with TestClient(app) as client:\n"
        "    answer = client.post('/orders/ORD-1', headers={'x-correlation-id': 'f-1'})\n"
        "print(answer.status_code, answer.headers['x-correlation-id'])\n",
        encoding="utf-8",
    )
    assert run(tmp_path, "buy.py") == "201 f-1\n"
    headers = dict(read(devbroker, "orders").headers)
    assert (headers["ce_type"], headers["ce_correlationid"]) == (b"OrderPlaced", b"f-1")


def test_djangos_order_is_published_by_the_relay(devbroker: str, tmp_path: Path) -> None:
    script = place(tmp_path, BLOCKS["databases orders.py"], devbroker)
    relaying = script.read_text(encoding="utf-8").replace(
        'assert self.ready(30), "the consumers did not join"',
        "import time\n        while outbox.pending(connection): time.sleep(0.05)",
    )
    script.write_text(relaying, encoding="utf-8")
    run(tmp_path, str(script))
    record = read(devbroker, "orders")
    assert (record.value, dict(record.headers)["ce_subject"]) == (b'{"order_id":"ORD-1"}', b"ORD-1")
