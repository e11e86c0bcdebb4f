"""What keeps a document from being used."""

from __future__ import annotations

from typing import NamedTuple

from flowtrail_collector.errors import ConfigurationError

__all__ = ["DocumentError", "Place"]


class Place(NamedTuple):
    """Where something stands: the file as it was named, and the line, from 1."""

    file: str
    line: int = 1

    def __str__(self) -> str:
        """`events.yaml:12`."""
        return f"{self.file}:{self.line}"


class DocumentError(ConfigurationError):
    """A document can't be used; the message says where and what to do, in one line."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place
