"""Schemas of payloads, as a registry knows them, and why a mapping finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Problem", "Schema", "SchemaOf", "SchemaProblemError", "schema_id"]


class Problem(StrEnum):
    """Why a mapping found nothing usable; a label of a metric."""

    EMPTY = "empty"
    """The record has no value, though the mapping looks into it."""
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    MISSING = "missing"
    """There is nothing where the mapping looks."""
    UNUSABLE = "unusable"
    """What is there is neither text nor a number, or too long, or not printable."""
    NO_SCHEMA = "no_schema"
    """The value doesn't begin with a schema id."""
    UNKNOWN_SCHEMA = "unknown_schema"
    """The registry doesn't know the schema id."""
    REGISTRY = "registry"
    """The registry doesn't answer."""


class SchemaProblemError(Exception):
    """A schema's name can't be had.

    Attributes:
        problem: `unknown_schema` or `registry`.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class Schema(NamedTuple):
    """What a registry says of a schema.

    Attributes:
        name: Of the record: Avro's `name`, JSON Schema's `title`, Protobuf's first message; without
            namespace.
        subjects: Under which it is registered.
    """

    name: str | None
    subjects: tuple[str, ...]


SchemaOf = Callable[[int], Schema]
"""The schema of an id; raises `SchemaProblemError`."""


def schema_id(value: bytes) -> int | None:
    """The id in Confluent's wire format: a zero byte, then four bytes, big-endian.

    See https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format.
    """
    return int.from_bytes(value[1:5], "big") if len(value) >= 5 and value[0] == 0 else None
