"""The service that is killed, seen from outside; see `worker_process.py`."""

from __future__ import annotations

import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

WORKER = str(Path(__file__).with_name("worker_process.py"))


@contextmanager
def service(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed at the end of the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def nothing_pending(database: Path) -> bool:
    """Whether the outbox is empty."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return bool(connection.execute("SELECT COUNT(*) FROM flowtrail_outbox").fetchone()[0] == 0)


def effects_in(database: Path) -> dict[str, int]:
    """How often each event had its effect."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return dict(Counter(row[0] for row in connection.execute("SELECT event_id FROM effects")))
