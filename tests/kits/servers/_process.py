"""Server processes that never outlive the tests."""

import atexit
import contextlib
import os
import random
import signal
import socket
import subprocess
import urllib.request
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from waiting import scaled
from waiting import wait_for as wait_for

# Runs the server as its child and waits for it. Its standard input is a pipe whose other end only the
# test process holds, so the kernel closes it however that process ends, and the server goes with it.
# (PR_SET_PDEATHSIG would not do: it fires when the starting *thread* ends.)
_GUARD = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
trap 'kill -TERM $server 2>/dev/null' TERM
( trap '' TERM; cat <&3 >/dev/null; kill -KILL $server 2>/dev/null ) &
while kill -0 $server 2>/dev/null; do wait $server; done
"""
# Below where Linux takes the ports of connections from (ip_local_port_range).
_PORTS = (10_000, 32_000)
_START_ATTEMPTS = 3
_draw = random.SystemRandom()
_running: "weakref.WeakSet[ManagedProcess]" = weakref.WeakSet()


class ServerFailedError(Exception):
    """A server ended, or didn't become ready in time; the message ends with its last output."""


def free_port() -> int:
    """A loopback port that nobody listens on at this moment.

    Not one of those that the kernel gives to outgoing connections, which would be taken while a server is away;
    and at random, so that other runs of tests at the same time draw others.
    """
    while True:
        port = _draw.randrange(*_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def started(prepare: Callable[[int], "ManagedProcess"]) -> "ManagedProcess":
    """A server on free ports, started and ready.

    Args:
        prepare: draws the ports and makes the process, given the number of the attempt: somebody else may take a
            free port before the server does, and then it is asked again.

    Raises:
        ServerFailedError: it doesn't come up.
    """
    for attempt in range(_START_ATTEMPTS):
        process = prepare(attempt)
        try:
            process.start()
        except ServerFailedError as error:
            if "already in use" not in str(error) or attempt == _START_ATTEMPTS - 1:
                raise
        else:
            return process
    raise AssertionError("unreachable")


def answers(url: str) -> bool:
    """Whether this URL answers with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=scaled(2)) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def listens(port: int) -> bool:
    """Whether this loopback port takes connections."""
    try:
        socket.create_connection(("127.0.0.1", port), scaled(2)).close()
    except OSError:
        return False
    return True


def members(group: int) -> list[int]:
    """The processes of a group that still run; those that init hasn't reaped yet don't."""
    told = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,stat="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in told.stdout.splitlines())
    return [int(pid) for pgid, pid, state in rows if int(pgid) == group and state[0] not in "ZX"]


class ManagedProcess:
    """A server in a process group of its own: started, awaited until ready, stopped or killed.

    Args:
        name: what messages call it.
        command: the program and its arguments.
        ready: asked until it returns True; it must not raise.
        output: the file that receives standard output and error (appended to).
        env: variables added to this process's environment.
        cwd: the working folder.
        timeout_seconds: how long becoming ready may take on a quiet machine.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready: Callable[[], bool],
        output: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout_seconds: float = 60,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._ready = ready
        self._output = output
        self._env = dict(env or {})
        self._cwd = cwd
        self._timeout_seconds = timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there (ready or not)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ServerFailedError: it ended early, or wasn't ready in time (it is then killed).
        """
        if self.running:
            return
        self._output.parent.mkdir(parents=True, exist_ok=True)
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, self.name, *self._command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._env},
                cwd=self._cwd,
                start_new_session=True,
            )
        _running.add(self)
        ready = wait_for(lambda: not self.running or self._ready(), self._timeout_seconds)
        if self.running and ready:
            return
        reason = "was not ready in time" if self.running else "ended"
        self.kill()
        raise ServerFailedError(f"{self.name} {reason}; its last output:\n{self.last_output()}")

    def stop(self, timeout_seconds: float = 20) -> None:
        """Ask it to end (SIGTERM) and wait; past the time-out it is killed."""
        if self._process is None:
            return
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(scaled(timeout_seconds))
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would, and wait until it is gone."""
        if self._process is None:
            return
        group = self._process.pid
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait()
        # The guard is gone; on a busy machine the server may hold its ports and files for a moment longer.
        wait_for(lambda: not members(group), 20)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
        _running.discard(self)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """It keeps its connections and answers nobody, until the block ends."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def last_output(self, size_bytes: int = 4000) -> str:
        """The end of what it wrote."""
        if not self._output.exists():
            return ""
        return self._output.read_bytes()[-size_bytes:].decode(errors="replace")


class Server:
    """A server that keeps its folder and its ports over restarts."""

    def __init__(self) -> None:
        self._process: ManagedProcess | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there (ready or not)."""
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Start it and wait until it is ready; the first start picks the ports.

        Raises:
            ServerFailedError: it doesn't come up.
        """
        if self._process is None:
            self._process = started(self._attempt)
        else:
            self._process.start()

    def stop(self) -> None:
        """A controlled shutdown."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """See `ManagedProcess.paused`."""
        assert self._process is not None
        return self._process.paused()

    def _attempt(self, number: int) -> ManagedProcess:
        """Draw the ports and make the process; see `started`."""
        raise NotImplementedError


@atexit.register
def _kill_all() -> None:
    for process in list(_running):
        process.kill()
