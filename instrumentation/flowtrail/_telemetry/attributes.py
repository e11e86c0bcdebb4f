"""Span attribute names of OpenTelemetry's messaging conventions (development status, as of schema 1.41).

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ and .../messaging/kafka/
"""

from typing import Any

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
SUBSCRIPTION = "messaging.destination.subscription.name"
PARTITION = "messaging.destination.partition.id"
GROUP = "messaging.consumer.group.name"
CLIENT_ID = "messaging.client.id"
MESSAGE_ID = "messaging.message.id"
CONVERSATION_ID = "messaging.message.conversation_id"
BODY_SIZE = "messaging.message.body.size"
BATCH_COUNT = "messaging.batch.message_count"
KAFKA_KEY = "messaging.kafka.message.key"
KAFKA_OFFSET = "messaging.kafka.offset"
KAFKA_TOMBSTONE = "messaging.kafka.message.tombstone"
RABBITMQ_ROUTING_KEY = "messaging.rabbitmq.destination.routing_key"
ERROR_TYPE = "error.type"

EVENT_TYPE = "cloudevents.event_type"
EVENT_SUBJECT = "cloudevents.event_subject"
CAUSATION_ID = "flowtrail.causation_id"
ATTEMPT = "flowtrail.attempt"
OUTCOME = "flowtrail.outcome"
READS = "flowtrail.reads"
CONTRACTS = "flowtrail.contracts"
BATCH_FAILED = "flowtrail.batch.failed"

KAFKA = "kafka"
"""The system that has partitions, offsets, keys and tombstones; what others have instead differs."""

_KEY_CHARACTERS = 256


def common(
    system: str,
    operation: str,
    kind: str,
    *,
    topic: str | None = None,
    group: str | None = None,
    client_id: str | None = None,
) -> dict[str, Any]:
    """What every span of an operation says, as far as it is known.

    Args:
        system: OpenTelemetry's `messaging.system`.
        operation: Its name.
        kind: OpenTelemetry's type of it.
        topic: Topic.
        group: Consumer group.
        client_id: The client's own id.
    """
    found: dict[str, Any] = {SYSTEM: system, OPERATION_NAME: operation, OPERATION_TYPE: kind}
    for name, value in ((DESTINATION, topic), (GROUP, group), (CLIENT_ID, client_id)):
        if value:
            found[name] = value
    return found


def key_text(key: object) -> str:
    """A record key as text for a span: cut, and readable whatever its bytes."""
    if isinstance(key, bytes | bytearray):
        return bytes(key[:_KEY_CHARACTERS]).decode("utf-8", "replace")
    return str(key)[:_KEY_CHARACTERS]
