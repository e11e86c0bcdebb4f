"""A program that somebody uses on a terminal, which can be typed on, resized and looked at."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator

from waiting import scaled, until

__all__ = ["Session", "session"]

_HOME = "\x1b[H"
_STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# Keys such as Ctrl-C are signals for whom the terminal belongs to.
_PROGRAM = """
import os, sys
os.login_tty(int(sys.argv[1]))
os.execv(sys.executable, [sys.executable, "-m", "flowtrail_collector", *sys.argv[2:]])
"""


class Session:
    """One program on one terminal.

    Attributes:
        process: The program.
    """

    def __init__(self, arguments: list[str], width: int, height: int) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(width, height)
        self._before = termios.tcgetattr(self._theirs)
        gone = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
        environment = {name: value for name, value in os.environ.items() if name not in gone}
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", _PROGRAM, str(self._theirs), *arguments],
            env={**environment, "TERM": "xterm-256color"},
            pass_fds=(self._theirs,),
        )
        self._output = b""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def output(self) -> str:
        """All that the terminal was sent."""
        return self._output.decode("utf-8", "replace").replace("\r\n", "\n").replace("\n\r", "\n")

    @property
    def frames(self) -> list[list[str]]:
        """Each screen that was drawn whole, as its lines."""
        parts = self.output.split(_HOME)[1:-1]
        return [_STYLES.sub("", part).split("\n") for part in parts if _STYLES.sub("", part).strip()]

    @property
    def frame(self) -> list[str]:
        """The last of them; empty if there is none yet."""
        return next(reversed(self.frames), [])

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal echoes and takes lines as it did."""
        return termios.tcgetattr(self._theirs) == self._before

    def resize(self, width: int, height: int) -> None:
        """Another size; the program is told."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, keys: str) -> None:
        """What somebody types."""
        os.write(self._ours, keys.encode())

    def until_shown(self, text: str, *, after: int = 0) -> int:
        """Wait for a text; gives how much was sent until then."""
        until(lambda: text in self.output[after:], lambda: f"{text!r} in {self.output[-2000:]!r}")
        return len(self.output)

    def ended(self) -> int:
        """Wait for the end; gives the exit code."""
        code = self.process.wait(scaled(20))
        until(lambda: "\x1b[?1049l" in self.output or "\x1b[?1049h" not in self.output, "its last words", 5)
        return code

    def close(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(scaled(20))
        os.close(self._theirs)
        self._reading.join(scaled(5))
        os.close(self._ours)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # how Linux says that nobody holds the other end any more
            while part := os.read(self._ours, 65_536):
                self._output += part


@contextlib.contextmanager
def session(arguments: list[str], width: int = 80, height: int = 24) -> Iterator[Session]:
    """A session that is ended at the end."""
    found = Session(arguments, width, height)
    try:
        yield found
    finally:
        found.close()
