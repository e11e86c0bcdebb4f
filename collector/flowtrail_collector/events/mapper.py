"""Fills in what records of mapped topics don't say in their headers."""

from __future__ import annotations

from dataclasses import dataclass

from flowtrail.wire import Envelope
from flowtrail_collector.events.identity import place_id
from flowtrail_collector.events.mapping import TopicMappings
from flowtrail_collector.events.model import Origin
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.events.schemas import Problem, SchemaOf
from flowtrail_collector.events.sources import Subject

__all__ = ["Mapper", "MappingProblem"]

_ATTRIBUTES = {
    "type": "type",
    "id": "id",
    "correlation": "correlation_id",
    "causation": "causation_id",
    "subject": "subject",
    "source": "source",
}


@dataclass(frozen=True, slots=True)
class MappingProblem:
    """A record whose mapping found nothing usable.

    Attributes:
        mapping: Its name in the flow file.
        problem: What was wrong.
    """

    mapping: str
    problem: Problem


class Mapper:
    """Applies the mappings of a flow file.

    Args:
        mappings: Of the flow file.
        schema_of: Asks the schema registry; None if there is none.
    """

    def __init__(self, mappings: TopicMappings, schema_of: SchemaOf | None = None) -> None:
        self._mappings = mappings
        self._schema_of = schema_of

    def fill(
        self, record: Incoming, envelope: Envelope, origin: Origin | None = None
    ) -> MappingProblem | None:
        """Fill in what the headers left open; what they say stays.

        A dead letter is read as the record it is a copy of: by the mapping of the topic that one stood in.

        Args:
            record: The record.
            envelope: What its headers say; changed.
            origin: Where the record stood that a dead letter is a copy of, as far as its headers say.

        Returns:
            What was wrong, if anything was.
        """
        topic = origin.topic if origin is not None else record.topic
        mapping = self._mappings.of(topic)
        if mapping is None:
            return None
        wanted = [field for field, name in _ATTRIBUTES.items() if getattr(envelope, name) is None]
        if not wanted:
            return None
        values = mapping.values(
            Subject(topic, record.key, record.headers, record.value), wanted, self._schema_of
        )
        for field, value in values.found.items():
            setattr(envelope, _ATTRIBUTES[field], value)
        if envelope.id is None and origin and origin.partition is not None and origin.offset is not None:
            envelope.id = place_id(origin.topic, origin.partition, origin.offset)
        return None if values.problem is None else MappingProblem(mapping.name, values.problem)
