"""Where type and ids of an event come from if its producer writes no headers that say so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

__all__ = ["FIELDS", "MAX_PAYLOAD_BYTES", "Constant", "FromField", "FromHeader", "FromKey", "FromSchema",
           "FromTopic", "Problem", "Schema", "SchemaProblemError", "Source", "Subject", "TopicMapping",
           "TopicMappings", "Values", "parse_path", "schema_id"]  # fmt: skip

MAX_PAYLOAD_BYTES = 1_048_576
FIELDS: Mapping[str, int] = {
    "type": 256,
    "id": 256,
    "correlation": 256,
    "causation": 256,
    "subject": 1024,
    "source": 1024,
}
"""What a mapping can fill in, with the longest value in bytes (as in the headers)."""

_MAY_BE_MISSING = frozenset({"causation", "subject", "source"})
_STEPS = re.compile(r"\.([^.\[\]'\"\s]+)|\[(\d{1,6})\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_MAX_STEPS = 16
_SUFFIX = re.compile(r"-(?:value|key)$")


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


class Subject(NamedTuple):
    """The record that a mapping is applied to.

    Attributes:
        value: Gives the payload; asked only if a source looks into it.
    """

    topic: str
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]] | None
    value: Callable[[], bytes | None] | None


class _NothingError(Exception):
    """A source has nothing to give."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


def _nothing(problem: Problem) -> NoReturn:
    raise _NothingError(problem)


class _Look:
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
            return Problem.NOT_JSON

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

    def look(self, look: _Look) -> Any:
        """See `Source`."""
        return self.text


@dataclass(frozen=True, slots=True)
class FromTopic:
    """The topic's name."""

    def look(self, look: _Look) -> Any:
        """See `Source`."""
        return look.subject.topic


@dataclass(frozen=True, slots=True)
class FromKey:
    """The record's key, as text."""

    def look(self, look: _Look) -> Any:
        """See `Source`."""
        return _text(look.subject.key)


@dataclass(frozen=True, slots=True)
class FromHeader:
    """The last header of a name."""

    name: str

    def look(self, look: _Look) -> Any:
        """See `Source`."""
        found: bytes | None = None
        for pair in look.subject.headers or ():
            if pair[0] == self.name and pair[1] is not None:
                found = pair[1]
        return _text(found)


@dataclass(frozen=True, slots=True)
class FromField:
    """A place in the JSON payload.

    Attributes:
        path: Names of members and indexes of arrays; see `parse_path`.
    """

    path: tuple[str | int, ...]

    def look(self, look: _Look) -> Any:
        """See `Source`."""
        value = look.document()
        for step in self.path:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, dict) else None
            else:
                value = value[step] if isinstance(value, list) and step < len(value) else None
            if value is None:
                _nothing(Problem.MISSING)
        if isinstance(value, bool):
            return str(value).lower()
        return value if value is not None else _nothing(Problem.MISSING)


@dataclass(frozen=True, slots=True)
class FromSchema:
    """The name of the schema whose id the payload begins with.

    Attributes:
        subject: Take the subject's name instead of the record's.
    """

    subject: bool = False

    def look(self, look: _Look) -> Any:
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

    def value(self, look: _Look, max_bytes: int) -> str:
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


class Values(NamedTuple):
    """What a mapping found.

    Attributes:
        found: By field, see `FIELDS`.
        problem: Why something wasn't found, of the most important field; None if nothing is wrong.
    """

    found: Mapping[str, str]
    problem: Problem | None


@dataclass(frozen=True)
class TopicMapping:
    """The mapping of one topic, or of those that fit a pattern.

    Attributes:
        name: As in the flow file; `*` stands for any characters.
        sources: By field, see `FIELDS`: the first that has something to give is taken.
    """

    name: str
    sources: Mapping[str, tuple[Source, ...]]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What topics' names are held against."""
        return re.compile(".*".join(re.escape(part) for part in self.name.split("*")))

    @property
    def asks_registry(self) -> bool:
        """Whether any source needs the registry."""
        return any(isinstance(s.place, FromSchema) for sources in self.sources.values() for s in sources)

    def values(self, subject: Subject, wanted: Iterable[str], schema_of: SchemaOf | None = None) -> Values:
        """Look for what a record's headers don't say.

        Args:
            subject: The record.
            wanted: Fields that are missing.
            schema_of: Asks the registry; None if there is none.
        """
        look = _Look(subject, schema_of)
        found: dict[str, str] = {}
        problems: dict[str, Problem] = {}
        for name in wanted:
            for source in self.sources.get(name, ()):
                try:
                    found[name] = source.value(look, FIELDS[name])
                    break
                except _NothingError as error:
                    problems.setdefault(name, error.problem)
        return Values(found, _worst({n: problem for n, problem in problems.items() if n not in found}))


@dataclass(frozen=True)
class TopicMappings:
    """All mappings of a flow file; of those that fit a topic the first counts."""

    all: tuple[TopicMapping, ...] = ()

    @cached_property
    def _of_topic(self) -> dict[str, TopicMapping | None]:
        return {}

    def of(self, topic: str) -> TopicMapping | None:
        """The mapping of a topic, None if it has none."""
        known = self._of_topic
        if topic not in known:
            known[topic] = next((m for m in self.all if m.pattern.fullmatch(topic)), None)
        return known[topic]

    @property
    def asks_registry(self) -> bool:
        """Whether any mapping needs the registry."""
        return any(mapping.asks_registry for mapping in self.all)

    def __bool__(self) -> bool:
        return bool(self.all)


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


def schema_id(value: bytes) -> int | None:
    """The id in Confluent's wire format: a zero byte, then four bytes, big-endian.

    See https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format.
    """
    return int.from_bytes(value[1:5], "big") if len(value) >= 5 and value[0] == 0 else None


def _worst(problems: Mapping[str, Problem]) -> Problem | None:
    """The problem that is told: the first, in the order of `FIELDS`, that isn't all right."""
    for name in FIELDS:
        problem = problems.get(name)
        # The first event of a flow has no cause, and not every event is about something.
        if problem is not None and (name not in _MAY_BE_MISSING or problem is not Problem.MISSING):
            return problem
    return None


def _text(data: bytes | str | None) -> str:
    if data is None:
        _nothing(Problem.MISSING)
    try:
        return data if isinstance(data, str) else bytes(data).decode()
    except (UnicodeDecodeError, TypeError):
        _nothing(Problem.UNUSABLE)
