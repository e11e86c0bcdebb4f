"""The README's promises hold: its links lead somewhere and its code runs as it stands."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer

from waiting import scaled

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [target.split("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert missing == []


def test_runnable_code_stands_before_line_30() -> None:
    lines = README.splitlines()[:30]
    assert "```python" in lines
    assert "trail.run()" in lines


@pytest.mark.servers
def test_the_first_example_runs_as_it_stands(devbroker: str, tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    script = tmp_path / "billing.py"
    script.write_text(code[1].replace("localhost:9092", devbroker), encoding="utf-8")
    service = subprocess.Popen([sys.executable, str(script)])
    try:
        reserved = {
            "ce_specversion": "1.0",
            "ce_id": "reserved-1",
            "ce_type": "StockReserved",
            "ce_source": "/inventory",
            "ce_subject": "ORD-1",
            "ce_correlationid": "flow-1",
        }
        producer = KafkaProducer(bootstrap_servers=devbroker)
        producer.send(
            "inventory",
            key=b"ORD-1",
            value=json.dumps({"total_cents": 1250}).encode(),
            headers=[(name, value.encode()) for name, value in reserved.items()],
        ).get(timeout=scaled(10))
        producer.close()
        consumer = KafkaConsumer(
            "payments", bootstrap_servers=devbroker, auto_offset_reset="earliest", consumer_timeout_ms=30_000
        )
        record = next(iter(consumer))
        consumer.close()
    finally:
        service.send_signal(signal.SIGTERM)
        code_on_exit = service.wait(timeout=scaled(20))
    headers = dict(record.headers)
    assert json.loads(record.value) == {"order_id": "ORD-1", "amount_cents": 1250}
    assert headers["ce_type"] == b"PaymentCompleted"
    assert headers["ce_subject"] == b"ORD-1"
    assert headers["ce_correlationid"] == b"flow-1"
    assert headers["ce_causationid"] == b"reserved-1"
    assert code_on_exit == 0
