"""The processes that the runner starts, and their end: whatever happens, none is left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from orderflow.runner.errors import EXIT_UNREACHABLE, EXIT_USAGE, DemoError, Interrupted

STOP_SECONDS = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_SECONDS = 0.03
_PR_SET_PDEATHSIG = 1

T = TypeVar("T")


def _with_parent() -> Callable[[], None] | None:
    """What a child does first: ask to be killed when the runner dies, even of `kill -9` (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    # Loaded here, before the fork: a forked child of a threaded process must not import anything.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


class Child:
    """One process.

    Attributes:
        name: What it is, for messages.
        process: The process.
        log: File with what it prints.
        tier: What it stands on is in a lower tier.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, tier: int = 0) -> None:
        self.name = name
        self.tier = tier
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """Process id, and id of its process group."""
        return self.process.pid

    def check(self) -> None:
        """Complain if it has died.

        Raises:
            DemoError: It has; with the last lines of what it printed.
        """
        code = self.process.poll()
        if code is None:
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        last = "".join(f"\n    {line}" for line in self.tail())
        known = code if code in (EXIT_USAGE, EXIT_UNREACHABLE) else 1
        raise DemoError(f"{self.name} {how}{'; its last words:' + last if last else ''}", known)

    def tail(self, lines: int = 8) -> list[str]:
        """The last lines it printed."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return [line.rstrip()[:300] for line in text.splitlines() if line.strip()][-lines:]

    def wait_for(self, pattern: str, seconds: float = 90.0) -> re.Match[str]:
        """Wait until it has printed something.

        Raises:
            DemoError: It died instead, or took too long.
        """
        return self.wait_until(lambda: re.search(pattern, self.log.read_text(errors="replace")), seconds)

    def wait_until(self, looked: Callable[[], T | None], seconds: float = 90.0) -> T:
        """Wait until something is there, which it makes.

        Raises:
            DemoError: It died instead, or took too long.
        """
        deadline = time.monotonic() + seconds
        while not (found := looked()):
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"{self.name} was not ready within {seconds:g} s; see {self.log}")
            time.sleep(_LOOK_SECONDS)
        return found

    def signal(self, number: int) -> None:
        """Send a signal to its whole process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone already
            os.killpg(self.pid, number)

    def rss_bytes(self) -> int | None:
        """Its resident memory; None where the system doesn't tell (no /proc)."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) * 1024 if found else None


class Children:
    """All processes of a run; as a context manager it stops them at the end, whatever ends it.

    While it is open, SIGINT, SIGTERM and SIGHUP raise `Interrupted` in the main thread; during the stop a
    further one kills what is left.

    Args:
        folder: Where the processes' logs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []
        self._old: dict[int, Any] = {}
        self._held_back: int | None = None
        self._starting = False
        self._stopping = False
        self._afterwards: list[Callable[[], None]] = []

    def afterwards(self, action: Callable[[], None]) -> None:
        """Have something done once all processes have ended."""
        self._afterwards.append(action)

    def __enter__(self) -> Children:
        for number in _SIGNALS:
            self._old[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        try:
            self.stop()
            for action in self._afterwards:
                action()
        finally:
            for number, handler in self._old.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._stopping:
            self._kill()
        elif self._starting:
            # Raising between fork and registration would leave a process nobody knows of.
            self._held_back = number
        else:
            raise Interrupted(number)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        tier: int = 0,
    ) -> Child:
        """Start a process in a process group of its own: Ctrl-C on the terminal reaches the runner only."""
        log = self._folder / f"{name}.log"
        self._starting = True
        try:
            with log.open("ab") as output:
                child = Child(name, _spawn(command, environment, output), log, tier)
            self._children.append(child)
        finally:
            self._starting = False
        if self._held_back is not None:
            raise Interrupted(self._held_back)
        return child

    def check(self) -> None:
        """Complain about any that has died.

        Raises:
            DemoError: One has.
        """
        for child in self._children:
            child.check()

    def stop(self) -> None:
        """Stop them, tier by tier, so that a service can still leave its group: politely, then not."""
        deadline = time.monotonic() + STOP_SECONDS
        for tier in sorted({child.tier for child in self._children}, reverse=True):
            members = [child for child in self._children if child.tier == tier]
            for child in members:
                child.signal(signal.SIGTERM)
            while any(child.process.poll() is None for child in members) and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
        self._kill()
        for child in self._children:
            child.process.wait()

    def _kill(self) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.signal(signal.SIGKILL)


def _spawn(
    command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command),
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_with_parent(),  # noqa: PLW1509 - it does two system calls and nothing else
    )


def unused_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
