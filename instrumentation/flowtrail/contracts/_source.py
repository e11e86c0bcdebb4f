"""The port for where contracts come from, and what can go wrong there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from flowtrail.errors import ConfigurationError, ContractError, FlowtrailError

# A boolean schema is allowed inside a contract, not as one.
Schema: TypeAlias = Mapping[str, Any]


class Source(Protocol):
    """Hands out schemas. A schema of a type and version never changes, so callers may cache it."""

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

    def schema(self, type: str, version: int) -> Schema | None:
        """The schema, None if there is none.

        Raises:
            RegistryUnavailableError: The source can't be reached and doesn't know it yet.
            SchemaError: What is there isn't a JSON Schema.
        """


class ContractNotFoundError(ContractError):
    """An event names a version that its type doesn't have, or none at all."""


class SchemaError(ConfigurationError):
    """A contract's own schema can't be used: no JSON, no JSON Schema, a reference to elsewhere."""


class RegistryUnavailableError(FlowtrailError):
    """The schema registry doesn't answer, and the schema asked for isn't cached. Trying again may help."""
