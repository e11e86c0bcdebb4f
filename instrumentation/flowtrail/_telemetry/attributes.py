"""Span attribute names of OpenTelemetry's messaging conventions (development status, as of schema 1.41).

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ and .../messaging/kafka/
"""

from typing import Any

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
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
ERROR_TYPE = "error.type"

EVENT_TYPE = "cloudevents.event_type"
EVENT_SUBJECT = "cloudevents.event_subject"
CAUSATION_ID = "flowtrail.causation_id"
ATTEMPT = "flowtrail.attempt"
OUTCOME = "flowtrail.outcome"
BATCH_FAILED = "flowtrail.batch.failed"

_KEY_CHARACTERS = 256


def common(
    operation: str,
    kind: str,
    *,
    topic: str | None = None,
    group: str | None = None,
    client_id: str | None = None,
) -> dict[str, Any]:
    """What every span of an operation says, as far as it is known; kind is OpenTelemetry's operation type."""
    found: dict[str, Any] = {SYSTEM: "kafka", OPERATION_NAME: operation, OPERATION_TYPE: kind}
    for name, value in ((DESTINATION, topic), (GROUP, group), (CLIENT_ID, client_id)):
        if value:
            found[name] = value
    return found


def key_text(key: object) -> str:
    """A record key as text for a span: cut, and readable whatever its bytes."""
    if isinstance(key, bytes | bytearray):
        return bytes(key[:_KEY_CHARACTERS]).decode("utf-8", "replace")
    return str(key)[:_KEY_CHARACTERS]
