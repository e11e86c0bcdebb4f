"""What AsyncAPI's bindings and headers say of Kafka and RabbitMQ (AMQP 0.9.1).

See https://github.com/asyncapi/bindings, `kafka` 0.5.0 and `amqp` 0.3.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from flowtrail.wire import WIRE_HEADERS, amqp
from flowtrail_collector.broker_names import without_broker
from flowtrail_collector.documents.asyncapi.extensions import QUEUES
from flowtrail_collector.documents.landscape import Broker, Received, Sent, Server, Topic

__all__ = ["channel_bindings", "correlation_id", "header_name", "headers_schema", "message_bindings",
           "operation_bindings", "server_of"]  # fmt: skip

PROTOCOLS: Mapping[Broker, str] = {"kafka": "kafka", "rabbitmq": "amqp"}
_VERSIONS: Mapping[Broker, str] = {"kafka": "0.5.0", "rabbitmq": "0.3.0"}
# What CloudEvents says an event has at least.
_REQUIRED = ("ce_specversion", "ce_id", "ce_type", "ce_source")
_CE = "ce_"
# Those that AsyncAPI has a word for; plug-ins bring others.
_EXCHANGE_TYPES = frozenset({"topic", "direct", "fanout", "headers"})


def server_of(server: Server, registry: str | None) -> dict[str, Any]:
    """A server object.

    Args:
        server: The broker.
        registry: Address of the schema registry, if contracts come from one.
    """
    found: dict[str, Any] = {
        # Several addresses of one cluster are one server: whoever knows one of them finds the others.
        "host": server.host.split(",")[0].strip(),
        "protocol": server.protocol or PROTOCOLS[server.broker],
    }
    if server.broker == "rabbitmq":
        path = {} if server.vhost == "/" else {"pathname": f"/{quote(server.vhost, safe='')}"}
        return {**found, "protocolVersion": "0.9.1", **path}
    if "," in server.host:
        found["description"] = f"One of {server.host}."
    if registry is not None:
        binding = {"schemaRegistryUrl": registry, "schemaRegistryVendor": "confluent"}
        found["bindings"] = _bound("kafka", binding)
    return found


def channel_bindings(topic: Topic) -> dict[str, Any]:
    """Bindings of a channel."""
    if topic.broker == "rabbitmq":
        return _bound("rabbitmq", {"is": "routingKey", "exchange": _exchange(topic)})
    known = {} if topic.partitions is None else {"partitions": topic.partitions}
    return _bound("kafka", {"topic": topic.address, **known})


def operation_bindings(broker: Broker, rows: Sequence[Received]) -> dict[str, Any]:
    """Bindings of an operation that receives; empty where no group or queue is known.

    AMQP's have no word for the queue, so that is an extension.
    """
    groups = sorted({without_broker(row.group) for row in rows if row.group is not None})
    if not groups:
        return {}
    if broker == "rabbitmq":
        keys = sorted({key for row in rows for key in row.routing_keys})
        return _bound("rabbitmq", {**({"cc": keys} if keys else {}), QUEUES: groups})
    return _bound("kafka", {"groupId": {"type": "string", "enum": groups}})


def message_bindings(broker: Broker, type: str, rows: Sequence[Sent]) -> dict[str, Any]:
    """Bindings of a message, as it was seen."""
    if broker == "rabbitmq":
        return _bound("rabbitmq", {"messageType": type})
    events, keyed = sum(row.events for row in rows), sum(row.keyed for row in rows)
    if not keyed:
        return {}
    by_subject = sum(row.keyed_by_subject for row in rows) == keyed
    key: dict[str, Any] = {"type": "string"}
    key["description"] = "The event's subject." if by_subject else "Decides in which partition it goes."
    if keyed < events:
        key["description"] += " Some have none."
    return _bound("kafka", {"key": key})


def header_name(broker: Broker, name: str) -> str:
    """A header as it is written to a broker: `ce_type`, `cloudEvents_type`."""
    return amqp.PREFIX + name.removeprefix(_CE) if broker == "rabbitmq" and name.startswith(_CE) else name


def headers_schema(broker: Broker) -> dict[str, Any]:
    """The headers of every event: CloudEvents' in binary mode, and W3C's."""
    named = {
        header_name(broker, header.name): {
            "type": "string",
            "maxLength": header.max_bytes,
            "description": header.meaning.replace("`", ""),
        }
        for header in WIRE_HEADERS
    }
    return {
        "type": "object",
        "required": [header_name(broker, name) for name in _REQUIRED],
        "properties": named,
    }


def correlation_id(broker: Broker) -> dict[str, str]:
    """Where the id of a flow stands."""
    return {
        "description": "Id of the flow: what an event caused carries on its id.",
        "location": f"$message.header#/{header_name(broker, 'ce_correlationid')}",
    }


def _exchange(topic: Topic) -> dict[str, Any]:
    found: dict[str, Any] = {"name": topic.address[:255]}
    if topic.exchange is not None:
        if topic.exchange.type in _EXCHANGE_TYPES:
            found["type"] = topic.exchange.type
        found |= {"durable": topic.exchange.durable, "autoDelete": topic.exchange.auto_delete}
        found["vhost"] = topic.exchange.vhost
    return found


def _bound(broker: Broker, binding: Mapping[str, Any]) -> dict[str, Any]:
    return {PROTOCOLS[broker]: {**binding, "bindingVersion": _VERSIONS[broker]}}
