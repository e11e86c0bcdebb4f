"""Contracts that are JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any

from flowtrail._codec import JsonCodec
from flowtrail.contracts._change import REMOVE_AFTER, Change
from flowtrail.contracts._format import NO_REFERENCES, BrokenError, Definition, bounded
from flowtrail.contracts.json_schema._rules import deprecated_fields
from flowtrail.contracts.json_schema._validator import Compiled, check_schema, parsed
from flowtrail.contracts.json_schema.places import Schema
from flowtrail.errors import EncodeError

__all__ = ["JSON_SCHEMA", "JsonDefinition", "JsonSchemaFormat"]

_CODEC = JsonCodec()


class JsonDefinition:
    """One JSON Schema; see `Definition`. Its validators are compiled when they are first needed.

    Args:
        name: What messages call it.
        schema: Checked, see `JsonSchemaFormat.parse`.
    """

    format = "json"

    def __init__(self, name: str, schema: Schema) -> None:
        self._name = name
        self.schema = schema
        after = schema.get(REMOVE_AFTER)
        self.remove_after = after if isinstance(after, str) else None
        self.deprecated = schema.get("deprecated") is True

    frame_prefix = b""
    references = ()

    def unframed(self, rest: bytes) -> tuple[Definition, bytes]:
        """See `Definition`."""
        return self, rest

    @cached_property
    def text(self) -> str:
        """See `Definition`."""
        return json.dumps(self.schema)

    @property
    def alone(self) -> str:
        """See `Definition`: nothing is referred to but what the schema holds itself."""
        return self.text

    @cached_property
    def deprecated_fields(self) -> Sequence[tuple[str, ...]]:
        """See `Definition`."""
        return tuple(deprecated_fields(self.schema))

    @cached_property
    def _compiled(self) -> Compiled:
        return Compiled(self._name, self.schema)

    def broken_writing(self, data: Any) -> list[str]:
        """See `Definition`. Data that JSON has no word for is looked at as it would be written."""
        broken = self._compiled.violations_writing(data)
        if broken and (plain := _as_written(data)) is not None:
            return self._compiled.violations_writing(plain)
        return broken

    def broken_reading(self, data: Any) -> list[str]:
        """See `Definition`."""
        return self._compiled.violations_reading(data)

    def completed(self, data: Any) -> Any:
        """See `Definition`."""
        return self._compiled.completed(data)

    def adopted(self, data: Any, written: Definition) -> Any:
        """See `Definition`: defaults alone lead here, and `completed` fills them in."""
        return data

    def encode(self, data: Any) -> bytes:
        """See `Definition`: what is held to the contract is what readers will find."""
        try:
            payload = _CODEC.encode(data)
        except EncodeError as error:
            raise BrokenError([" ".join(str(error).split())]) from None
        if broken := self._compiled.violations_writing(json.loads(payload)):
            raise BrokenError(broken)
        return payload

    def decode(self, payload: bytes) -> Any:
        """See `Definition`."""
        return _CODEC.decode(payload)


def _as_written(data: Any) -> Any:
    """Data as JSON has it, where that differs: dates, decimals, dataclasses, pydantic's models."""
    try:
        plain = json.loads(_CODEC.encode(data))
    except (EncodeError, ValueError):
        return None
    return plain if plain != data else None


class JsonSchemaFormat:
    """JSON Schema; see `Format`."""

    name = "json"
    suffix = ".json"
    registry_type = "JSON"
    content_type = "application/json"
    media_types = frozenset({"application/json", "text/json"})
    names_itself = True

    def parse(
        self, name: str, text: str, type: str | None = None, references: Mapping[str, str] = NO_REFERENCES
    ) -> JsonDefinition:
        """See `Format`; nothing is referred to but what the schema holds itself."""
        return JsonDefinition(name, parsed(name, bounded(name, text)))

    def made_of(self, name: str, schema: Any) -> JsonDefinition:
        """The contract that is a schema already.

        Raises:
            SchemaError: It is none.
        """
        check_schema(name, schema)
        return JsonDefinition(name, schema)

    def compare(self, old: Any, new: Any, *, today: date | None = None) -> list[Change]:
        """See `Format`."""
        # Who only reads Avro or Protobuf hasn't what JSON contracts need.
        from flowtrail.contracts.json_schema._compare import compare

        return compare(old.schema, new.schema, today=today)

    def same_bytes(self, old: Any, new: Any) -> bool:
        """See `Format`: JSON carries the names of its fields."""
        return True


JSON_SCHEMA = JsonSchemaFormat()
