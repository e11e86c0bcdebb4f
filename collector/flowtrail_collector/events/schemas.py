"""Schemas of payloads, as a registry knows them, and why a mapping finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

__all__ = ["Problem", "ReadPayload", "Schema", "SchemaOf", "SchemaProblemError", "schema_id"]


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
    BAD_SCHEMA = "bad_schema"
    """The registry's schema can't be used to read the payload."""
    UNREADABLE = "unreadable"
    """The payload isn't what its schema says."""
    REGISTRY = "registry"
    """The registry doesn't answer."""


class SchemaProblemError(Exception):
    """A schema can't be had, or a payload can't be read by it.

    Attributes:
        problem: `unknown_schema`, `registry`, `bad_schema` or `unreadable`.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


ReadPayload = Callable[[bytes], Any]
"""Data of what follows a schema's id; raises `SchemaProblemError`."""


class Schema(NamedTuple):
    """What a registry says of a schema.

    Attributes:
        name: Of the record: Avro's `name`, JSON Schema's `title`, Protobuf's first message; without
            namespace.
        subjects: Under which it is registered.
        read: Reads payloads of it; None for JSON, which needs no schema to be read.
    """

    name: str | None
    subjects: tuple[str, ...]
    read: ReadPayload | None = None


SchemaOf = Callable[[int], Schema]
"""The schema of an id; raises `SchemaProblemError`."""


def schema_id(value: bytes) -> int | None:
    """The id in Confluent's wire format: a zero byte, then four bytes, big-endian.

    See https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format.
    """
    return int.from_bytes(value[1:5], "big") if len(value) >= 5 and value[0] == 0 else None
