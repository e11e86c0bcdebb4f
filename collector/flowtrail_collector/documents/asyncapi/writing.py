"""Writes an AsyncAPI 3 document of what flows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flowtrail_collector.documents.asyncapi import bindings
from flowtrail_collector.documents.asyncapi.extensions import SERVICE, TYPE, VERSION, VERSION_IN_NAME
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.landscape import Broker, Landscape, Received, Sent, Topic, in_order
from flowtrail_collector.documents.names import Names
from flowtrail_collector.documents.schemas import content_type_of, payload_of

__all__ = ["About", "document_of"]

_SPECIFICATION = "3.0.0"
_SCHEMAS = "#/components/schemas"


@dataclass(frozen=True, slots=True)
class About:
    """What a document says of itself.

    Attributes:
        title: Its title.
        version: Its own version.
        registry: Address of the schema registry that contracts come from, without user and password.
    """

    title: str = "Events"
    version: str = "1.0.0"
    registry: str | None = None


def document_of(landscape: Landscape, contracts: Known, about: About) -> dict[str, Any]:
    """The document, as plain data in the order to write it in.

    Args:
        landscape: What flows.
        contracts: Contracts of what flows, as far as there are any.
        about: What it says of itself.

    Raises:
        SchemaError: A contract can't be used.
        RegistryUnavailableError: The registry doesn't answer.
    """
    return _Writer(landscape, contracts).document(about)


@dataclass
class _Writer:
    landscape: Landscape
    contracts: Known
    channel_names: Names = field(default_factory=Names)
    message_names: Names = field(default_factory=Names)
    operation_names: Names = field(default_factory=Names)
    schemas: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, Any] = field(default_factory=dict)

    def document(self, about: About) -> dict[str, Any]:
        channels = {self._channel_name(topic): self._channel(topic) for topic in self.landscape.topics}
        document: dict[str, Any] = {
            "asyncapi": _SPECIFICATION,
            "info": {
                "title": about.title,
                "version": about.version,
                "description": _description(self.landscape),
            },
            "defaultContentType": "application/json",
            "servers": {
                server.broker: bindings.server_of(server, about.registry) for server in self.landscape.servers
            },
            "channels": channels,
            "operations": {**self._sending(), **self._receiving()},
        }
        return {**document, "components": self._components()}

    def _components(self) -> dict[str, Any]:
        brokers = sorted({topic.broker for topic in self.landscape.topics if not topic.mapped})
        headers = {_headers_name(broker): bindings.headers_schema(broker) for broker in brokers}
        return {
            "messages": self.messages,
            "schemas": {**headers, **self.schemas},
            "correlationIds": {f"flow-{broker}": bindings.correlation_id(broker) for broker in brokers},
        }

    def _channel_name(self, topic: Topic) -> str:
        return self.channel_names.of(topic.address, topic.name)

    def _channel(self, topic: Topic) -> dict[str, Any]:
        rows: dict[tuple[str, str | None], list[Sent]] = defaultdict(list)
        for row in self.landscape.sent:
            if row.topic == topic.name:
                rows[row.type, row.version].append(row)
        names = {}
        for type, version in sorted(rows, key=lambda key: (key[0], int(key[1] or 0))):
            name = self._message_name(topic, type, version)
            if name not in self.messages:
                self.messages[name] = self._message(name, topic, rows[type, version])
            names[name] = {"$ref": f"#/components/messages/{name}"}
        server = (
            {"servers": [{"$ref": f"#/servers/{topic.broker}"}]} if self._has_server(topic.broker) else {}
        )
        # Braces would be parameters.
        address = None if {"{", "}"} & set(topic.address) else topic.address
        return {
            "address": address,
            **server,
            "messages": names,
            "bindings": bindings.channel_bindings(topic),
        }

    def _has_server(self, broker: Broker) -> bool:
        return any(server.broker == broker for server in self.landscape.servers)

    def _message_name(self, topic: Topic, type: str, version: str | None) -> str:
        text = type if version is None else f"{type}.v{version}"
        kind = f"{text}.{topic.broker}" if topic.broker != "kafka" else text
        kind = f"{kind}.{topic.address}" if topic.mapped else kind
        return self.message_names.of(kind, (type, version, topic.broker, topic.mapped and topic.name))

    def _message(self, name: str, topic: Topic, rows: Sequence[Sent]) -> dict[str, Any]:
        first = rows[0]
        contract = self.contracts.written_with(first.type, first.version, is_mapped=topic.mapped)
        services = sorted({row.service for row in rows})
        found: dict[str, Any] = {
            "name": first.type,
            "title": first.type if first.version is None else f"{first.type} {first.version}",
            "summary": f"Published by {', '.join(services)}.",
            "contentType": content_type_of(contract),
            **self._headers(topic, first),
        }
        if contract is not None:
            place = f"{_SCHEMAS}/{name}"
            payload = payload_of(contract, place)
            if contract.format == "json":
                self.schemas[name] = payload
                payload = {"$ref": place}
            found["payload"] = payload
            if contract.deprecated:
                found["tags"] = [{"name": "deprecated"}]
        found["bindings"] = bindings.message_bindings(topic.broker, first.type, rows)
        if looks_versioned := VERSION_IN_NAME.search(first.type):
            found[TYPE] = first.type
        if first.version is not None or looks_versioned:
            found[VERSION] = first.version
        return {key: value for key, value in found.items() if value != {}}

    def _headers(self, topic: Topic, row: Sent) -> dict[str, Any]:
        """What stands in the headers of events that have CloudEvents'."""
        if topic.mapped:
            return {}
        own = {bindings.header_name(topic.broker, "ce_type"): {"const": row.type}}
        common = {"$ref": f"{_SCHEMAS}/{_headers_name(topic.broker)}"}
        return {
            "headers": {"type": "object", "allOf": [common, {"properties": own}]},
            "correlationId": {"$ref": f"#/components/correlationIds/flow-{topic.broker}"},
        }

    def _sending(self) -> dict[str, Any]:
        rows: dict[tuple[str, str], list[Sent]] = defaultdict(list)
        for row in self.landscape.sent:
            rows[row.service, row.topic].append(row)
        topics = {topic.name: topic for topic in self.landscape.topics}
        operations = {}
        for (service, name), own in sorted(rows.items()):
            topic = topics[name]
            types = sorted(
                {(row.type, row.version) for row in own}, key=lambda key: (key[0], int(key[1] or 0))
            )
            said = {"messages": self._references(topic, types)}
            operations.update(self._operation("send", service, topic, said))
        return operations

    def _receiving(self) -> dict[str, Any]:
        rows: dict[tuple[str, str], list[Received]] = defaultdict(list)
        for row in self.landscape.received:
            rows[row.service, row.topic].append(row)
        topics = {topic.name: topic for topic in self.landscape.topics}
        operations = {}
        for (service, name), own in sorted(rows.items()):
            topic = topics[name]
            said: dict[str, Any] = {}
            if all(row.types is not None for row in own):
                said["messages"] = self._references(topic, self._read_types(topic, own))
            else:
                said["description"] = "Which of the channel's types it uses isn't known."
            bound = bindings.operation_bindings(topic.broker, own)
            if bound:
                said["bindings"] = bound
            operations.update(self._operation("receive", service, topic, said))
        return operations

    def _read_types(self, topic: Topic, rows: Sequence[Received]) -> list[tuple[str, str | None]]:
        types = {type for row in rows for type in row.types or ()}
        sent = [row for row in self.landscape.sent if row.topic == topic.name and row.type in types]
        return [
            (type, version)
            for type in sorted({row.type for row in sent})
            for version in in_order(row.version for row in sent if row.type == type)
        ]

    def _references(self, topic: Topic, types: Sequence[tuple[str, str | None]]) -> list[dict[str, str]]:
        channel = self._channel_name(topic)
        names = [self._message_name(topic, *key) for key in types]
        return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]

    def _operation(self, action: str, service: str, topic: Topic, said: dict[str, Any]) -> dict[str, Any]:
        name = self.operation_names.of(f"{service}.{action}.{topic.address}", (service, action, topic.name))
        verb = "publishes to" if action == "send" else "reads"
        return {
            name: {
                "action": action,
                "channel": {"$ref": f"#/channels/{self._channel_name(topic)}"},
                "summary": f"{service} {verb} {topic.address}.",
                "tags": [{"name": service}],
                **said,
                SERVICE: service,
            }
        }


def _headers_name(broker: Broker) -> str:
    return f"headers-{broker}"


def _description(landscape: Landscape) -> str:
    since = f" since {landscape.since}" if landscape.since else ""
    return f"Written by flowtrail of what it has seen flow{since}."
