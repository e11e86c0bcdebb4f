"""What ends a running trail: its owner, or a handler that wants the program to end."""

from __future__ import annotations

import threading


class Ending(threading.Event):
    """Set when the trail is to end.

    Attributes:
        reason: The `SystemExit`, `KeyboardInterrupt` or the like that a handler raised; None if the trail's
            owner ends it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reason: BaseException | None = None

    def end(self, reason: BaseException) -> None:
        """A handler wants the program to end; the first one has its say."""
        if self.reason is None:
            self.reason = reason
        self.set()
