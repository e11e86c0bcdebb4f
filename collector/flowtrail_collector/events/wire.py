"""Puts the reading of events together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.events.contracts import RegisteredContracts
from flowtrail_collector.events.mapper import Mapper
from flowtrail_collector.events.mapping import TopicMappings
from flowtrail_collector.events.metrics import MappingMetrics, TopicMetrics
from flowtrail_collector.events.registry import SchemaRegistry
from flowtrail_collector.events.topics import TopicRead
from flowtrail_collector.events.web import TopicList, topic_routes
from flowtrail_collector.metrics.counts import Counters
from flowtrail_collector.runtime.slices import Wired

__all__ = ["contracts_of", "mapper_of", "wire"]


def mapper_of(mappings: TopicMappings, schema_registry: str, flow_file: object) -> Mapper:
    """What fills in what headers don't say.

    Args:
        mappings: Of the flow file.
        schema_registry: Base URL of the registry that mappings by schema ask; empty for none.
        flow_file: Its name, for the error.

    Raises:
        ConfigurationError: A mapping asks a registry, and none is named.
    """
    if schema_registry:
        return Mapper(mappings, SchemaRegistry(schema_registry).schema)
    if mappings.asks_registry:
        raise ConfigurationError(f"{flow_file} maps by schema: say with --schema-registry where to ask")
    return Mapper(mappings)


def contracts_of(schema_registry: str) -> RegisteredContracts:
    """The contracts of payloads.

    Args:
        schema_registry: Base URL of the registry that knows them; empty for none.

    Raises:
        ConfigurationError: Not an address.
    """
    return RegisteredContracts(SchemaRegistry(schema_registry) if schema_registry else None)


def wire(
    mappings: TopicMappings, counters: Counters, reads: Callable[[], Sequence[TopicRead]], topics: TopicList
) -> Wired:
    """Metrics of mappings and topics, and the list of topics."""
    sources = [MappingMetrics(counters, mappings), TopicMetrics(reads)]
    return Wired(sources_for_all=sources, routes=topic_routes(topics))
