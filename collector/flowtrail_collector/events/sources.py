"""Places of a record that a value can come from: its key, a header, a field of its payload, its schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from flowtrail_collector.events.schemas import Problem, Schema, SchemaOf, SchemaProblemError, schema_id

__all__ = ["MAX_PAYLOAD_BYTES", "Constant", "FromField", "FromHeader", "FromKey", "FromSchema", "FromTopic",
           "Look", "NothingError", "Source", "Subject", "parse_path"]  # fmt: skip

MAX_PAYLOAD_BYTES = 1_048_576
_STEPS = re.compile(r"\.([^.\[\]'\"\s]+)|\[(\d{1,6})\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_MAX_STEPS = 16
_SUFFIX = re.compile(r"-(?:value|key)$")


class Subject(NamedTuple):
    """The record that a mapping is applied to.

    Attributes:
        value: Gives the payload; asked only if a source looks into it.
    """

    topic: str
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]] | None
    value: Callable[[], bytes | None] | None


class NothingError(Exception):
    """A source has nothing to give.

    Attributes:
        problem: Why.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


def _nothing(problem: Problem) -> NoReturn:
    raise NothingError(problem)


class Look:
    """One record, looked into as often as its sources ask and parsed at most once."""

    def __init__(self, subject: Subject, schema_of: SchemaOf | None) -> None:
        self.subject = subject
        self._schema_of = schema_of

    @cached_property
    def _value(self) -> bytes:
        value = self.subject.value() if self.subject.value is not None else None
        return value if value is not None else b""

    @cached_property
    def _document(self) -> Any | Problem:
        value = self._value
        if not value:
            return Problem.EMPTY
        if len(value) > MAX_PAYLOAD_BYTES:
            return Problem.TOO_LARGE
        try:
            # Numbers stay as they are written: nobody calculates with them, and 1e999999 is no work.
            return json.loads(
                value[5:] if value[0] == 0 else value, parse_int=str, parse_float=str, parse_constant=str
            )
        except (ValueError, RecursionError):
            return self._by_schema(value)

    def _by_schema(self, value: bytes) -> Any | Problem:
        """The data of a payload that is no JSON, by the schema whose id it begins with."""
        number = schema_id(value)
        if number is None or self._schema_of is None:
            return Problem.NOT_JSON
        try:
            read = self._schema_of(number).read
            return Problem.NOT_JSON if read is None else read(value[5:])
        except SchemaProblemError as error:
            return error.problem

    def document(self) -> Any:
        document = self._document
        if isinstance(document, Problem):
            _nothing(document)
        return document

    def schema(self) -> Schema:
        number = schema_id(self._value)
        if number is None or self._schema_of is None:
            _nothing(Problem.NO_SCHEMA if self._value else Problem.EMPTY)
        try:
            return self._schema_of(number)
        except SchemaProblemError as error:
            _nothing(error.problem)


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for every record."""

    text: str

    def look(self, look: Look) -> Any:
        """See `Source`."""
        return self.text


@dataclass(frozen=True, slots=True)
class FromTopic:
    """The topic's name."""

    def look(self, look: Look) -> Any:
        """See `Source`."""
        return look.subject.topic


@dataclass(frozen=True, slots=True)
class FromKey:
    """The record's key, as text."""

    def look(self, look: Look) -> Any:
        """See `Source`."""
        return _text(look.subject.key)


@dataclass(frozen=True, slots=True)
class FromHeader:
    """The last header of a name."""

    name: str

    def look(self, look: Look) -> Any:
        """See `Source`."""
        found: bytes | None = None
        for pair in look.subject.headers or ():
            if pair[0] == self.name and pair[1] is not None:
                found = pair[1]
        return _text(found)


@dataclass(frozen=True, slots=True)
class FromField:
    """A place in the payload: JSON, or Avro or Protobuf with the id of its schema in front.

    Attributes:
        path: Names of members and indexes of arrays; see `parse_path`.
    """

    path: tuple[str | int, ...]

    def look(self, look: Look) -> Any:
        """See `Source`."""
        value = look.document()
        for step in self.path:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, dict) else None
            else:
                value = value[step] if isinstance(value, list) and step < len(value) else None
            if value is None:
                _nothing(Problem.MISSING)
        return _plain(value)


def _plain(value: Any) -> Any:
    """What stands in a field as text, where it has one: JSON's numbers are texts already."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, int | float | Decimal | UUID) else value


@dataclass(frozen=True, slots=True)
class FromSchema:
    """The name of the schema whose id the payload begins with.

    Attributes:
        subject: Take the subject's name instead of the record's.
    """

    subject: bool = False

    def look(self, look: Look) -> Any:
        """See `Source`."""
        schema = look.schema()
        if not self.subject:
            return schema.name or _nothing(Problem.MISSING)
        if not schema.subjects:
            _nothing(Problem.MISSING)
        # One schema may stand under several subjects: this topic's own is meant, if there is one.
        own = sorted(schema.subjects, key=lambda name: (not name.startswith(look.subject.topic), name))
        return _SUFFIX.sub("", own[0])


@dataclass(frozen=True, slots=True)
class Source:
    """Where one value comes from.

    Attributes:
        place: Where to look.
        names: What values mean, e.g. `paid` -> `PaymentCompleted`; others stay as they are.
    """

    place: Constant | FromTopic | FromKey | FromHeader | FromField | FromSchema
    names: Mapping[str, str] = field(default_factory=dict)

    def value(self, look: Look, max_bytes: int) -> str:
        """The value; raises if there is none."""
        value = self.place.look(look)
        if not isinstance(value, str):
            _nothing(Problem.UNUSABLE)
        value = self.names.get(value, value)
        if not value:
            _nothing(Problem.MISSING)
        if not value.isprintable() or len(value.encode("utf-8", "replace")) > max_bytes:
            _nothing(Problem.UNUSABLE)
        return value


def parse_path(text: str) -> tuple[str | int, ...]:
    """The steps of a path such as `$.order.id`, `$.lines[0].sku` or `$['odd name']`.

    Raises:
        ValueError: It is another thing, or longer than 16 steps.
    """
    if not text.startswith("$") or len(text) > 1024:
        raise ValueError(text)
    steps: list[str | int] = []
    at = 1
    while at < len(text):
        match = _STEPS.match(text, at)
        if match is None:
            raise ValueError(text)
        name = match[1] or match[3] or match[4]
        steps.append(name if name is not None else int(match[2]))
        at = match.end()
    if not 0 < len(steps) <= _MAX_STEPS:
        raise ValueError(text)
    return tuple(steps)


def _text(data: bytes | str | None) -> str:
    if data is None:
        _nothing(Problem.MISSING)
    try:
        return data if isinstance(data, str) else bytes(data).decode()
    except (UnicodeDecodeError, TypeError):
        _nothing(Problem.UNUSABLE)
