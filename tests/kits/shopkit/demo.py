"""The demo as a process of its own, and what it has to print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from waiting import scaled


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orderflow", "demo", *arguments]


def environment(folder: Path, **extra: str) -> dict[str, str]:
    dropped = (
        "KAFKA_BOOTSTRAP_SERVERS", "RABBITMQ_URL", "RABBITMQ_MANAGEMENT_URL", "ORDERFLOW_NAMESPACE", "ORDERFLOW_BROKER",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    )  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    # Two that look for the same free port at once may both find it free.
    return {**kept, "TMPDIR": str(folder), "COLUMNS": "160", "ORDERFLOW_COLLECTOR_PORT": "0", **extra}


def run(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(folder, **extra),
        capture_output=True,
        text=True,
        timeout=scaled(240),
        check=False,
    )


def own_processes(folder: Path) -> list[int]:
    """Processes of a demo whose state lies in `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"TMPDIR={folder}".encode() in variables:
            found.append(int(entry.name))
    return found


def check_output(output: str, orders: int) -> None:
    assert f"ordered {orders}; completed + compensated + failed + open = 9 + 2 + 1 + 0 = {orders}" in output
    assert "Every order is accounted for." in output
    for group in ("billing", "customers", "fulfillment", "inventory", "orders"):
        # Where others' groups have long names, they are a list, not a table.
        assert re.search(rf"^\S*{group} +ok(?: +|\n  lag )0\b", output, re.MULTILINE), f"{group}\n{output}"
    assert len(re.findall(r"payments\S*orders\.dlq/", output)) == 1
    trails = output.split("$ flowtrail trace ")[1:]
    assert len(trails) == 2
    compensated, completed = trails
    assert "· compensated ·" in compensated
    assert "undo StockReleased" in compensated
    assert "undo OrderCancelled" in compensated
    assert "· completed ·" in completed
    assert "5 services · 7 events" in completed
    # Where a topic goes that is too long for its row is another matter.
    causal = [
        "▶ POST /orders",
        "● OrderPlaced",
        "● StockReserved",
        "● PaymentCompleted",
        "● OrderConfirmed",
        "● OrderShipped",
    ]
    places = [completed.index(text) for text in causal]
    assert places == sorted(places)
    assert re.search(r"wall time \d+\.\d s, collector's resident memory \d+ MB", output)


def read_until(process: subprocess.Popen[str], text: str, printed: list[str] | None = None) -> str:
    """The first line with this text; those before it, and it, go into `printed`."""
    assert process.stdout is not None
    for line in process.stdout:
        if printed is not None:
            printed.append(line)
        if text in line:
            return line
    raise AssertionError(f"no line with {text!r}; {process.stderr.read() if process.stderr else ''}")
