"""Names of span attributes: OpenTelemetry's messaging conventions, CloudEvents' and our own.

Those of OpenTelemetry are of schema 1.41, where they have development status.
"""

from __future__ import annotations

MESSAGE_ID = "messaging.message.id"
CONVERSATION_ID = "messaging.message.conversation_id"
SYSTEM = "messaging.system"
DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
OFFSET = "messaging.kafka.offset"
# The name before schema 1.37, which most instrumentation still writes.
OLD_OFFSET = "messaging.kafka.message.offset"
GROUP = "messaging.consumer.group.name"
OLD_GROUP = "messaging.kafka.consumer.group"
OPERATION_TYPE = "messaging.operation.type"
OLD_OPERATION = "messaging.operation"
OPERATION_NAME = "messaging.operation.name"
EVENT_ID = "cloudevents.event_id"
EVENT_TYPE = "cloudevents.event_type"
EVENT_SUBJECT = "cloudevents.event_subject"
CAUSATION_ID = "flowtrail.causation_id"
ATTEMPT = "flowtrail.attempt"
OUTCOME = "flowtrail.outcome"
ERROR_TYPE = "error.type"

LOOKED_UP = (CONVERSATION_ID, MESSAGE_ID, EVENT_ID, EVENT_SUBJECT)
"""Attributes whose values a span is found by, beside its trace id."""

SCHEMA_URL = "otel.schema_url"
DROPPED_ATTRIBUTES = "otel.dropped_attributes_count"
DROPPED_EVENTS = "otel.dropped_events_count"
DROPPED_LINKS = "otel.dropped_links_count"
FLAGS = "otel.flags"
TRACE_STATE = "w3c.tracestate"
"""Attributes for what OTLP says beside them; the counts as in OpenTelemetry's mapping to formats that lack them.

https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/ ; the last two only on links.
"""
