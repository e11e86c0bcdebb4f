"""What is wrong with a flow file: every mistake with its place, all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from flowtrail_collector.errors import ConfigurationError

__all__ = ["FlowFileError", "Mistakes", "hint"]

S = TypeVar("S")
T = TypeVar("T")


class FlowFileError(ConfigurationError):
    """Something in a flow file is wrong.

    Attributes:
        line: Counted from 1.
        column: Counted from 1.
        lines: Every mistake as a line of its own, this one first.
    """

    def __init__(self, file: str, line: int, column: int, message: str, others: Sequence[str] = ()) -> None:
        own = f"{file}:{line}:{column}: {message}"
        more = f" (and {len(others)} more: flowtrail flows check {file} names them)" if others else ""
        super().__init__(own + more)
        self.line = line
        self.column = column
        self.lines = (own, *others)


class Mistakes:
    """Gathers the mistakes of one file.

    Args:
        file: Its name.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._noted: list[tuple[int, int, str]] = []

    def wrong(self, parent: CommentedMap | CommentedSeq, key: Any, message: str) -> NoReturn:
        """Give up what `attempt` reads.

        Raises:
            FlowFileError: With the place of the key.
        """
        raise self._error(parent, key, message)

    def known_keys(self, body: CommentedMap, known: Sequence[str], what: str) -> None:
        """Refuse keys that nobody knows, all of them.

        Raises:
            FlowFileError: The last of them; those before it are noted.
        """
        last = None
        for key in body:
            if key not in known:
                if last is not None:
                    self._note(last)
                message = f"{what} has no key '{key}'{hint(str(key), known)}; it knows {', '.join(known)}"
                last = self._error(body, key, message)
        if last is not None:
            raise last

    def lacks(self, body: CommentedMap, key: str, known: Sequence[str]) -> bool:
        """Whether a key is missing, and not just misspelt: that is a mistake of its own."""
        strangers = [str(name) for name in body if name not in known]
        return key not in body and not any(difflib.get_close_matches(name, [key]) for name in strangers)

    def attempt(self, read: Callable[..., T], *values: Any, instead: S) -> T | S:
        """What `read` gives; what is wrong there is noted, and the rest is looked at all the same."""
        try:
            return read(*values)
        except FlowFileError as error:
            self._note(error)
            return instead

    def end(self) -> None:
        """All was looked at.

        Raises:
            FlowFileError: The first mistake, with all the others.
        """
        if self._noted:
            (line, column, first), *others = sorted(dict.fromkeys(self._noted))
            lines = [f"{self._file}:{at}:{place}: {message}" for at, place, message in others]
            raise FlowFileError(self._file, line, column, first, lines)

    def _error(self, parent: CommentedMap | CommentedSeq, key: Any, message: str) -> FlowFileError:
        line, column = parent.lc.data[key][:2]
        return FlowFileError(self._file, line + 1, column + 1, message)

    def _note(self, error: FlowFileError) -> None:
        prefix = f"{self._file}:{error.line}:{error.column}: "
        self._noted.append((error.line, error.column, error.lines[0].removeprefix(prefix)))


def hint(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
