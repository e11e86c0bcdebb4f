"""What benchmarks have in common: a Kafka to measure on, a table of figures, and the file they end in."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from servers import KafkaServer

Targets = Mapping[str, list[Any]]
"""By figure: `<=` or `>=`, and the bound."""


@contextlib.contextmanager
def kafka_in(folder: Path) -> Iterator[str]:
    """Addresses of the Kafka that `FLOWTRAIL_TEST_KAFKA` names, or of one started for this."""
    servers = os.environ.get("FLOWTRAIL_TEST_KAFKA", "")
    if servers:
        yield servers
        return
    server = KafkaServer(folder / "kafka")
    server.start()
    try:
        yield server.bootstrap_servers
    finally:
        server.kill()


def now_text() -> str:
    """The present, local time."""
    return time.strftime("%Y-%m-%dT%H:%M:%S")


def show(figures: Mapping[str, float], targets: Targets, width: int) -> None:
    """Print a line per figure, with its target."""
    for name, value in figures.items():
        operator, target = targets.get(name, ("", None))
        missed = target is not None and not (value >= target if operator == ">=" else value <= target)
        bound = "" if target is None else target
        print(f"{name:{width}} {value:>12,} {operator} {bound}{'  missed' if missed else ''}")


def write(
    out: Path,
    *,
    started: str,
    versions: Mapping[str, str],
    runs: Mapping[str, Any],
    figures: Mapping[str, float],
    targets: Targets,
) -> None:
    """Write the results of `make bench-NAME` to `NAME.json`.

    Args:
        out: The file.
        started: When it began.
        versions: Of packages, beside those of Python and SQLite.
        runs: What was measured, and how often.
        figures: What came out.
        targets: What should have.
    """
    content = {
        "command": f"make bench-{out.stem}",
        "started": started,
        "versions": {
            "python": platform.python_version(),
            **versions,
            "sqlite": sqlite3.sqlite_version,
            "cpus": os.cpu_count(),
        },
        "runs": runs,
        "figures": figures,
        "targets": targets,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=2))
    print(f"-> {out}")
