"""Live progress: one line that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from orderflow.runner.tally import Tally

_PLAIN_SECONDS = 2.0


class Progress:
    """Says what happens.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._last = 0.0

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(escape(text), highlight=False)

    def update(self, text: str, *, at_once: bool = False) -> None:
        """How far it is."""
        if self._console.is_terminal:
            if self._status is None:
                self._status = self._console.status(escape(text))
                self._status.start()
            self._status.update(escape(text))
            return
        now = time.monotonic()
        if at_once or now - self._last >= _PLAIN_SECONDS:
            self._last = now
            self.say(text)

    def close(self) -> None:
        """Take the changing line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None


def progress_line(placed: int, orders: int, tally: Tally) -> str:
    """How far the run is."""
    ended = ", ".join(
        f"{tally.ended.get(outcome, 0)} {outcome}" for outcome in ("completed", "compensated", "failed")
    )
    return f"ordered {placed}/{orders}: {ended}, {tally.open} open"
