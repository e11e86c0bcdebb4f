"""A terminal that a command has for itself for a while: its second screen, keys as they are typed, and signals."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

try:
    import termios
    import tty
except ModuleNotFoundError:  # Windows: everything works but for keys
    termios = tty = None  # type: ignore[assignment]

from rich.console import Console
from rich.control import Control
from rich.screen import Screen
from rich.text import Text

__all__ = ["OwnTerminal"]

_NEWS = b"n"
# Ctrl-C too, also where it was ignored before: it is a key here.
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


class OwnTerminal:
    """Shows whole screens, waits for keys, and leaves the terminal as it was, whatever ends the command.

    Args:
        out: The terminal.
    """

    def __init__(self, out: Console) -> None:
        self._out = out
        self._input: int | None = None
        self._before: list[Any] | None = None
        self._wakes, self._wake = os.pipe()
        for end in (self._wakes, self._wake):
            os.set_blocking(end, False)
        self._ended = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in cells."""
        return self._out.size

    @contextlib.contextmanager
    def taken(self) -> Iterator[OwnTerminal]:
        """Take it, and give it back."""
        with contextlib.ExitStack() as undo:
            undo.callback(self._give_back)
            for name in (*_ENDING, "SIGWINCH", "SIGTSTP"):
                if (number := getattr(signal, name, None)) is not None:
                    undo.callback(signal.signal, number, signal.signal(number, self._told))
            self._take()
            yield self

    def show(self, lines: list[Text]) -> None:
        """Draw a screen over the one before."""
        self._out.control(Control.home())
        self._out.print(Screen(Text("\n").join(lines)), end="", soft_wrap=False)

    def news(self) -> None:
        """Wake `key` up; any thread may."""
        with contextlib.suppress(BlockingIOError):  # full: then it wakes up anyway
            os.write(self._wake, _NEWS)

    def key(self, timeout_seconds: float) -> str:
        """The next key; `q` too where a signal says to end; empty if there was news or the time is over."""
        watched = [self._wakes] if self._input is None else [self._wakes, self._input]
        ready, _, _ = select.select(watched, [], [], timeout_seconds)
        if self._wakes in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakes, 4096)
        if self._ended:
            return "q"
        if self._input is None or self._input not in ready:
            return ""
        typed = os.read(self._input, 64)
        if not typed:
            self._input = None  # nobody can type any more: it goes on until it is told to end
        return "q" if typed in (b"q", b"Q", b"\x04") else typed.decode("utf-8", "replace")

    def _told(self, number: int, frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGTSTP", None):
            self._pause()
        self._ended = self._ended or signal.Signals(number).name in _ENDING
        self.news()

    def _pause(self) -> None:
        """Ctrl-Z: the shell gets its screen, until it goes on here."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def _take(self) -> None:
        if termios is not None and sys.stdin.isatty():
            self._input = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._input)
            tty.setcbreak(self._input)
        self._out.set_alt_screen(True)
        self._out.show_cursor(False)

    def _give_back(self) -> None:
        with contextlib.suppress(OSError):  # it may be gone
            self._out.show_cursor(True)
            self._out.set_alt_screen(False)
        if self._before is not None and self._input is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)
        self._before = None
