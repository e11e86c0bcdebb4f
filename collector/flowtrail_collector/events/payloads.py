"""Avro and Protobuf payloads, read by the registry's schemas for as long as a mapping looks at them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from flowtrail.contracts import Definition, SchemaError, registered
from flowtrail.errors import DecodeError, MissingExtraError
from flowtrail_collector.events.schemas import Problem, SchemaProblemError

__all__ = ["PayloadReader"]


class PayloadReader:
    """Reads payloads of one schema, which is parsed when the first of them comes.

    Args:
        number: The schema's id, for messages.
        kind: What the registry calls its format.
        text: The schema.
        references: Texts that it refers to.
    """

    def __init__(self, number: int, kind: str, text: str, references: Mapping[str, str]) -> None:
        self._given = number, kind, text, references

    @cached_property
    def _definition(self) -> Definition | None:
        number, kind, text, references = self._given
        try:
            return registered(kind, f"schema {number}", text, references=references)
        except (SchemaError, MissingExtraError):
            return None

    def __call__(self, rest: bytes) -> Any:
        """Data of what follows the id; raises `SchemaProblemError`."""
        if self._definition is None:
            raise SchemaProblemError(Problem.BAD_SCHEMA)
        try:
            definition, payload = self._definition.unframed(rest)
            return definition.decode(payload)
        except DecodeError:
            raise SchemaProblemError(Problem.UNREADABLE) from None
