"""One collector a file: two would both count, and each undo what the other knows of its place."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from flowtrail_collector.errors import StoreError

try:
    import fcntl
except ImportError:  # only where there are no such locks at all
    fcntl = None  # type: ignore[assignment]

__all__ = ["Claim"]


class Claim:
    """Holds `FILE.lock` until it is released, or the process ends, however it ends.

    Not the file itself: closing a second descriptor of it would take SQLite's own locks away.

    Args:
        path: The store.

    Raises:
        StoreError: Another process holds it, or the lock can't be made.
    """

    def __init__(self, path: Path) -> None:
        lock = path.with_name(path.name + ".lock")
        try:
            self._descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"store {path}: {lock} can't be opened: {error.strerror}") from None
        try:
            if fcntl is not None:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise StoreError(
                f"store {path} is in use by another collector: stop that one, name another file with --store,"
                " or share a PostgreSQL database between several"
            ) from None

    def release(self) -> None:
        """Let others have it."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
