"""The port for where contracts come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowtrail.contracts._format import Definition


class Source(Protocol):
    """Hands out contracts. A contract of a type and version never changes, so callers may cache it."""

    def types(self) -> Sequence[str]:
        """All types that have contracts, sorted.

        Raises:
            RegistryUnavailableError: The source can't be reached.
        """

    def versions(self, type: str, *, at_least: int = 0) -> Sequence[int]:
        """Versions of a type, ascending; empty if there are none.

        Args:
            type: Event type.
            at_least: A source that caches looks again if this version isn't among those it knows.

        Raises:
            RegistryUnavailableError: The source can't be reached and doesn't know it yet.
        """

    def schema(self, type: str, version: int) -> Definition | None:
        """The contract, None if there is none.

        Raises:
            RegistryUnavailableError: The source can't be reached and doesn't know it yet.
            SchemaError: What is there can't be used.
        """
