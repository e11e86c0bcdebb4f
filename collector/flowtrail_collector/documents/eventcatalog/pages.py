"""The files of a catalog: domain, services, events with versions and schemas, channels, flows, and who owns them.

Formats: https://www.eventcatalog.dev/docs/development/getting-started/introduction, by the linter's schemas.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.eventcatalog.flows import flow_steps
from flowtrail_collector.documents.eventcatalog.page import Ids, page, semantic
from flowtrail_collector.documents.landscape import Landscape, Sent, Topic
from flowtrail_collector.documents.schemas import content_type_of
from flowtrail_collector.wording import counted

__all__ = ["Catalog", "catalog_files"]

_SUFFIXES = {"json": "json", "avro": "avsc", "protobuf": "proto"}
_PROTOCOLS = {"kafka": "kafka", "rabbitmq": "amqp"}
_OWN = "1.0.0"


@dataclass(frozen=True, slots=True)
class Catalog:
    """What nobody can see flow.

    Attributes:
        domain: Name of the domain that all services are put into.
        owner: The team that owns everything, to begin with.
    """

    domain: str = "Events"
    owner: str = "Unassigned"


def catalog_files(landscape: Landscape, contracts: Known, catalog: Catalog) -> dict[str, str]:
    """The files of a catalog: texts by their paths, with slashes.

    Raises:
        SchemaError: A contract can't be used.
        RegistryUnavailableError: The registry doesn't answer.
    """
    return dict(_Writer(landscape, contracts, catalog).files())


class _Writer:
    def __init__(self, landscape: Landscape, contracts: Known, catalog: Catalog) -> None:
        self._landscape = landscape
        self._contracts = contracts
        self._catalog = catalog
        self._ids = Ids()
        self._mapped = {topic.name for topic in landscape.topics if topic.mapped}
        self._owners = [self._ids.of("team", catalog.owner)]

    def files(self) -> Iterator[tuple[str, str]]:
        flows = [flow for flow in self._landscape.flows if self._seen(flow.starts)]
        yield self._team()
        yield self._domain([flow.name for flow in flows])
        for service in self._landscape.services:
            yield self._service(service)
        for topic in self._landscape.topics:
            yield self._channel(topic)
        for type in self._landscape.types:
            yield from self._event(type)
        for flow in flows:
            steps = flow_steps(flow, self._message)
            name = self._ids.of("flow", flow.name)
            summary = f"From {', '.join(flow.starts)} to {', '.join(flow.completes) or 'its end'}."
            front = {**self._front(name, flow.name, summary), "steps": steps}
            yield f"flows/{name}/index.mdx", page(front, "<NodeGraph />")

    def _front(self, id: str, name: str, summary: str, version: str = _OWN) -> dict[str, Any]:
        return {"id": id, "name": name, "version": version, "summary": summary, "owners": self._owners}

    def _team(self) -> tuple[str, str]:
        owner = self._owners[0]
        front = {"id": owner, "name": self._catalog.owner, "summary": "Owns what nobody else is said to own."}
        body = "Written by flowtrail: put the teams that own services and events in place."
        return f"teams/{owner}.mdx", page(front, body)

    def _domain(self, flows: Sequence[str]) -> tuple[str, str]:
        id = self._ids.of("domain", self._catalog.domain)
        services = self._landscape.services
        front = {
            **self._front(id, self._catalog.domain, "Services whose events were seen to flow."),
            "services": [self._service_reference(service) for service in services],
        }
        if flows:
            front["flows"] = [{"id": self._ids.of("flow", flow), "version": _OWN} for flow in flows]
        return f"domains/{id}/index.mdx", page(front, "<NodeGraph />")

    def _service(self, service: str) -> tuple[str, str]:
        sends: dict[tuple[str, str], set[str]] = defaultdict(set)
        receives: dict[tuple[str, str], set[str]] = defaultdict(set)
        for row in self._landscape.sent:
            event = self._ids.of("event", row.type), semantic(row.version)
            if row.service == service:
                sends[event].add(row.topic)
            if any(reader.service == service for reader in self._landscape.readers_of(row.topic, row.type)):
                receives[event].add(row.topic)
        id = self._ids.of("service", service)
        summary = "Seen in the sources of events and in consumer groups."
        front = {
            **self._front(id, service, summary),
            "sends": [self._pointer(event, "to", topics) for event, topics in sorted(sends.items())],
            "receives": [self._pointer(event, "from", topics) for event, topics in sorted(receives.items())],
        }
        return f"services/{id}/index.mdx", page(front, "<NodeGraph />")

    def _pointer(self, event: tuple[str, str], side: str, topics: set[str]) -> dict[str, Any]:
        channels = [{"id": self._ids.of("channel", topic), "version": _OWN} for topic in sorted(topics)]
        return {"id": event[0], "version": event[1], side: channels}

    def _channel(self, topic: Topic) -> tuple[str, str]:
        id = self._ids.of("channel", topic.name)
        kind = "exchange of RabbitMQ" if topic.broker == "rabbitmq" else "topic of Kafka"
        parts = (
            ""
            if topic.partitions is None or topic.broker != "kafka"
            else f", {counted(topic.partitions, 'partition')}"
        )
        front = {
            **self._front(id, topic.address, f"A {kind}{parts}."),
            "address": topic.address,
            "protocols": [_PROTOCOLS[topic.broker]],
        }
        return f"channels/{id}/index.mdx", page(front, "<NodeGraph />")

    def _event(self, type: str) -> Iterator[tuple[str, str]]:
        versions = self._landscape.versions(type)
        id = self._ids.of("event", type)
        for version in versions:
            folder = f"events/{id}"
            if version != versions[-1]:
                folder += f"/versioned/{semantic(version)}"
            yield from self._version(folder, id, type, version)

    def _version(self, folder: str, id: str, type: str, version: str | None) -> Iterator[tuple[str, str]]:
        rows = [row for row in self._landscape.sent if row.type == type and row.version == version]
        is_mapped = any(row.topic in self._mapped for row in rows)
        contract = self._contracts.written_with(type, version, is_mapped=is_mapped)
        front = self._front(id, type, _summary(rows), semantic(version))
        body = f"Content type: `{content_type_of(contract)}`\n\n<NodeGraph />"
        if contract is not None:
            file = f"schema.{_SUFFIXES[contract.format]}"
            front["schemaPath"] = file
            if contract.deprecated:
                front["deprecated"] = True
            body += "\n\n## Schema\n\n<SchemaViewer />" if contract.format == "json" else ""
            yield f"{folder}/{file}", contract.alone
        yield f"{folder}/index.mdx", page(front, body)

    def _seen(self, types: Sequence[str]) -> bool:
        return any(type in self._landscape.types for type in types)

    def _message(self, type: str) -> dict[str, str] | None:
        """What names an event in a flow; None of one that was never seen."""
        if type not in self._landscape.types:
            return None
        version = self._landscape.versions(type)[-1]
        return {"id": self._ids.of("event", type), "version": semantic(version)}

    def _service_reference(self, service: str) -> dict[str, str]:
        return {"id": self._ids.of("service", service), "version": _OWN}


def _summary(rows: Sequence[Sent]) -> str:
    services = ", ".join(sorted({row.service for row in rows}))
    last = max((row.last or "" for row in rows), default="")
    return f"Published by {services}{f'; last seen on {last[:10]}' if last else ''}."
