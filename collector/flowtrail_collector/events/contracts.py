"""Contracts that a registry holds, for payloads that people look at."""

from __future__ import annotations

from flowtrail.contracts import Definition
from flowtrail_collector.events.registry import SchemaRegistry
from flowtrail_collector.events.schemas import Problem, SchemaProblemError

__all__ = ["RegisteredContracts"]

_SAID = {
    Problem.REGISTRY: "the registry doesn't answer: try again",
    Problem.BAD_SCHEMA: "the registry's schema can't be used",
}


class RegisteredContracts:
    """What a registry knows, by id or by type and version.

    Args:
        registry: Asked each time something isn't known yet; None: there is none.
    """

    def __init__(self, registry: SchemaRegistry | None) -> None:
        self._registry = registry

    def by_id(self, number: int) -> Definition | str:
        """The contract of a registry's id; or in one line why there is none."""
        if self._registry is None:
            return (
                f"it begins with schema id {number}: start the collector with --schema-registry to decode it"
            )
        try:
            found = self._registry.definition(number)
        except SchemaProblemError as error:
            return f"schema {number}: {_SAID.get(error.problem, error.problem.value)}"
        return f"schema {number}: the registry doesn't know it" if found is None else found

    def of(self, type: str, version: int) -> Definition | str | None:
        """The contract of an event type; None if nothing knows one, a line if it can't be had."""
        if self._registry is None:
            return None
        try:
            return self._registry.named(type, version)
        except SchemaProblemError as error:
            return f"{type}/{version}: {_SAID.get(error.problem, error.problem.value)}"
