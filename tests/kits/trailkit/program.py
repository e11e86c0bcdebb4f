"""`flowtrail collector run` as a process, with those it starts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import waiting
from waiting import scaled

__all__ = ["Program", "program"]


class Program:
    """A collector that runs.

    Args:
        process: Its writing process.
        url: Where it is asked.
        log: What it wrote to standard error.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self._log = log

    @property
    def log(self) -> str:
        """What it and its children wrote to standard error so far."""
        return self._log.read_text()

    def children(self) -> list[int]:
        """The processes that it has started and that still run."""
        return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if self._is_child(pid)]

    def _is_child(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
            return int(parent) == self.process.pid and state != "Z"
        return False

    def get(self, path: str, seconds: float = 60, **headers: str) -> tuple[int, str]:
        """Status and text of an answer."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=scaled(seconds)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def json(self, path: str) -> Any:
        """What a path of the API answers."""
        status, text = self.get(path)
        assert status == 200, text
        return json.loads(text)

    def ended(self, pid: int) -> bool:
        """Whether a process of it has ended, within the time that takes."""
        return bool(waiting.until(lambda: not Path(f"/proc/{pid}").exists(), timeout_seconds=20))

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; the exit code, and how long it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(scaled(30)), time.monotonic() - began


@contextlib.contextmanager
def program(folder: Path, servers: str, *arguments: str | Path, listen: str = ":0") -> Iterator[Program]:
    """A collector that has said that it listens; killed at the end, if it still runs."""
    log = folder / f"log-{time.monotonic_ns()}"
    options: Sequence[str] = (
        "--bootstrap-servers",
        servers,
        "--listen",
        listen,
        "--processes",
        "2",
        *map(str, arguments),
    )
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "flowtrail_collector", "collector", "run", *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("flowtrail collector listens on "), log.read_text()
        yield Program(process, line.split()[-1], log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
