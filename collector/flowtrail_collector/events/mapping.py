"""The mapping of a topic: where type and ids of its events come from if no headers say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from flowtrail_collector.events.schemas import Problem, SchemaOf
from flowtrail_collector.events.sources import FromSchema, Look, NothingError, Source, Subject

__all__ = ["FIELDS", "TopicMapping", "TopicMappings", "Values"]

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
        look = Look(subject, schema_of)
        found: dict[str, str] = {}
        problems: dict[str, Problem] = {}
        for name in wanted:
            for source in self.sources.get(name, ()):
                try:
                    found[name] = source.value(look, FIELDS[name])
                    break
                except NothingError as error:
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


def _worst(problems: Mapping[str, Problem]) -> Problem | None:
    """The problem that is told: the first, in the order of `FIELDS`, that isn't all right."""
    for name in FIELDS:
        problem = problems.get(name)
        # The first event of a flow has no cause, and not every event is about something.
        if problem is not None and (name not in _MAY_BE_MISSING or problem is not Problem.MISSING):
            return problem
    return None
