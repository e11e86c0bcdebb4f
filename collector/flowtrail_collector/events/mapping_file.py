"""Reads the `mapping` of a flow file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from flowtrail_collector.events.mapping import FIELDS, TopicMapping, TopicMappings
from flowtrail_collector.events.sources import (
    Constant,
    FromField,
    FromHeader,
    FromKey,
    FromSchema,
    FromTopic,
    Source,
    parse_path,
)

__all__ = ["Mistakes", "read_mapping"]

S = TypeVar("S")
T = TypeVar("T")

_FROM = {"topic": FromTopic(), "key": FromKey()}
_SCHEMA = {"name": FromSchema(), "subject": FromSchema(subject=True)}
_PLACES = ("value", "from", "header", "field", "schema")
_SOURCE_KEYS = (*_PLACES, "names")
_MAX_NAME = 249  # of a topic
_MAX_SOURCES = 8


class Mistakes(Protocol):
    """Gathers what is wrong with a file."""

    def wrong(self, parent: CommentedMap | CommentedSeq, key: Any, message: str) -> NoReturn:
        """Raise, naming the place of a key."""
        ...

    def known_keys(self, body: CommentedMap, known: Sequence[str], what: str) -> None:
        """Refuse other keys."""
        ...

    def attempt(self, read: Callable[..., T], *values: Any, instead: S) -> T | S:
        """What `read` gives, or, if it raises, a note of that and something else instead."""
        ...


def read_mapping(document: CommentedMap, mistakes: Mistakes) -> TopicMappings:
    """The mappings of a file, none if it has no key `mapping`.

    Args:
        document: The whole file.
        mistakes: Told what is wrong.
    """
    if "mapping" not in document:
        return TopicMappings()
    return _Reader(mistakes).mappings(document)


class _Reader:
    def __init__(self, mistakes: Mistakes) -> None:
        self._wrong = mistakes.wrong
        self._known_keys = mistakes.known_keys
        self._attempt = mistakes.attempt

    def mappings(self, document: CommentedMap) -> TopicMappings:
        topics = document["mapping"]
        if not isinstance(topics, CommentedMap) or not topics:
            self._wrong(document, "mapping", "'mapping' must map topics, and name at least one")
        found = [self._attempt(self._topic, topics, name, instead=None) for name in topics]
        return TopicMappings(tuple(mapping for mapping in found if mapping is not None))

    def _topic(self, topics: CommentedMap, name: Any) -> TopicMapping:
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or not name.isprintable():
            self._wrong(topics, name, "a mapping is named by a topic; '*' in it stands for any characters")
        body = topics[name]
        if not isinstance(body, CommentedMap) or not body:
            self._wrong(topics, name, f"the mapping of '{name}' must say where {', '.join(FIELDS)} come from")
        self._attempt(self._known_keys, body, tuple(FIELDS), f"the mapping of '{name}'", instead=None)
        known = [field for field in body if field in FIELDS]
        return TopicMapping(
            name, {field: self._attempt(self._sources, body, field, instead=()) for field in known}
        )

    def _sources(self, body: CommentedMap, name: str) -> tuple[Source, ...]:
        value = body[name]
        if not isinstance(value, CommentedSeq):
            return (self._source(body, name, name),)
        if not 0 < len(value) <= _MAX_SOURCES:
            self._wrong(body, name, f"'{name}' takes up to {_MAX_SOURCES} sources, at least one")
        found = [
            self._attempt(self._source, value, number, name, instead=None) for number in range(len(value))
        ]
        return tuple(source for source in found if source is not None)

    def _source(self, parent: CommentedMap | CommentedSeq, key: Any, name: str) -> Source:
        value = parent[key]
        if isinstance(value, str) and value.strip():
            return Source(self._constant(parent, key, value, name))
        if not isinstance(value, CommentedMap):
            self._wrong(parent, key, f"'{name}' takes a text, or one of {', '.join(_PLACES)}")
        self._known_keys(value, _SOURCE_KEYS, f"'{name}'")
        places = [place for place in _PLACES if place in value]
        if len(places) != 1:
            self._wrong(parent, key, f"'{name}' takes exactly one of {', '.join(_PLACES)}")
        return Source(self._place(value, places[0], name), self._names(value))

    def _place(
        self, body: CommentedMap, place: str, name: str
    ) -> Constant | FromTopic | FromKey | FromHeader | FromField | FromSchema:
        text = body[place]
        if not isinstance(text, str) or not text.strip():
            self._wrong(body, place, f"'{place}' takes a text")
        if place == "value":
            return self._constant(body, place, text, name)
        if place == "header":
            return FromHeader(str(text))
        if place == "field":
            try:
                return FromField(parse_path(text))
            except ValueError:
                self._wrong(
                    body, place, "'field' takes a path such as $.order.id, $.lines[0].sku or $['odd name']"
                )
        known: Any = _FROM if place == "from" else _SCHEMA
        if text not in known:
            self._wrong(body, place, f"'{place}' takes {' or '.join(known)}")
        found: FromTopic | FromKey | FromSchema = known[text]
        return found

    def _constant(self, parent: CommentedMap | CommentedSeq, key: Any, text: str, name: str) -> Constant:
        if not text.isprintable() or len(text.encode("utf-8", "replace")) > FIELDS[name]:
            self._wrong(parent, key, f"'{name}' has at most {FIELDS[name]} bytes, all printable")
        if name in ("id", "correlation"):
            self._wrong(parent, key, f"'{name}' can't be the same for all events of a topic")
        return Constant(str(text))

    def _names(self, body: CommentedMap) -> dict[str, str]:
        if "names" not in body:
            return {}
        names = body["names"]
        if not isinstance(names, CommentedMap) or not names:
            self._wrong(body, "names", "'names' maps what is found to what it means")
        for key, value in names.items():
            if not isinstance(value, str) or isinstance(key, CommentedMap | CommentedSeq):
                self._wrong(names, key, "'names' maps texts to texts")
        return {_scalar(key): str(value) for key, value in names.items()}


def _scalar(key: Any) -> str:
    """A key as JSON writes it: `true` and `7` are no texts in YAML."""
    return str(key).lower() if isinstance(key, bool) else str(key)
