"""Standard output that can't be written: one failure of its own, whoever prints and whatever else goes wrong."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

__all__ = ["OutputError", "checked_output"]


class OutputError(Exception):
    """Standard output can't be written.

    Not an `OSError`: what catches one of those means files, connections and brokers.

    Attributes:
        reason: Why not, in the system's words.
        reader_left: Whoever read it has left, as `head` does: nothing to complain of.
    """

    def __init__(self, error: OSError) -> None:
        self.reason = error.strerror or str(error)
        self.reader_left = isinstance(error, BrokenPipeError)
        super().__init__(self.reason)


@contextlib.contextmanager
def checked_output() -> Iterator[None]:
    """Within it, all that is printed is written by the end, or it raises.

    Raises:
        OutputError: It can't be written.
    """
    there = sys.stdout
    if there is None:  # closed by whoever started us: nobody wants to read anything
        yield
        return
    sys.stdout = cast("TextIO", _Checked(there))
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout = there
        _empty(there)


def _empty(there: TextIO) -> None:
    """Leave nothing in its buffer that would be complained of once more when the process ends."""
    try:
        there.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, there.fileno())
            os.close(nowhere)


class _Checked:
    """A text stream whose failures are `OutputError`s.

    Args:
        there: Where it writes.
    """

    def __init__(self, there: TextIO) -> None:
        self._there = there

    def write(self, text: str) -> int:
        try:
            return self._there.write(text)
        except OSError as error:
            raise OutputError(error) from error

    def flush(self) -> None:
        try:
            self._there.flush()
        except OSError as error:
            raise OutputError(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._there, name)
