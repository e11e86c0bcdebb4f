"""What is the same for all messages of a topic, worked out once."""

from __future__ import annotations

from typing import Any

from flowtrail._telemetry import attributes, definitions
from flowtrail._telemetry.instruments import Families


class SendRoute:
    """Publishing to one topic.

    Attributes:
        topic: The topic.
        span_name: `send T`.
        attributes: Span attributes that never change.
        record: Counts one publication that worked and took so many seconds.
    """

    __slots__ = ("_families", "attributes", "record", "span_name", "topic")

    def __init__(self, families: Families, topic: str, client_id: str | None) -> None:
        self._families = families
        self.topic = topic
        self.span_name = f"send {topic}"
        self.attributes: dict[str, Any] = {
            attributes.SYSTEM: attributes.KAFKA,
            attributes.OPERATION_NAME: "send",
            attributes.OPERATION_TYPE: "send",
            attributes.DESTINATION: topic,
        }
        if client_id is not None:
            self.attributes[attributes.CLIENT_ID] = client_id
        duration = families[definitions.OPERATION_DURATION].series("kafka", "send", topic, "", "")
        sent = families[definitions.SENT].series("kafka", "send", topic, "")
        self.record = families.pending(duration, sent).add

    def record_failure(self, seconds: float, error_type: str) -> None:
        """Count one publication that failed."""
        families = self._families
        families[definitions.SENT].series("kafka", "send", self.topic, error_type).add()
        duration = families[definitions.OPERATION_DURATION]
        duration.series("kafka", "send", self.topic, "", error_type).observe(seconds)


class ProcessRoute:
    """Handling the messages of one topic in one group.

    Attributes:
        topic: The topic.
        group: The group, None if unknown.
        span_name: `process T`.
        attributes: Span attributes that never change.
    """

    __slots__ = (
        "_add_handled", "_add_waited", "_consumed", "_families", "_skew", "attributes", "group", "span_name",
        "topic",
    )  # fmt: skip

    def __init__(self, families: Families, topic: str, group: str | None, client_id: str | None) -> None:
        self._families = families
        self.topic = topic
        self.group = group
        self.span_name = f"process {topic}"
        self.attributes: dict[str, Any] = {
            attributes.SYSTEM: attributes.KAFKA,
            attributes.OPERATION_NAME: "process",
            attributes.OPERATION_TYPE: "process",
            attributes.DESTINATION: topic,
        }
        if group is not None:
            self.attributes[attributes.GROUP] = group
        if client_id is not None:
            self.attributes[attributes.CLIENT_ID] = client_id
        named = group or ""
        self._consumed = families[definitions.CONSUMED].series("kafka", "process", topic, named)
        duration = families[definitions.PROCESS_DURATION].series("kafka", "process", topic, named, "")
        self._add_handled = families.pending(duration, self._consumed).add
        self._add_waited = families.pending(families[definitions.QUEUE_DURATION].series(topic, named)).add
        self._skew = families[definitions.CLOCK_SKEW].series(topic, named)

    def record(self, seconds: float, waited: float | None) -> None:
        """Count one successful first handling.

        Args:
            seconds: How long it took.
            waited: Seconds between the record's timestamp and the start, None if unknown.
        """
        self._add_handled(seconds)
        if waited is not None:
            if waited < 0:
                waited = 0.0
                self._skew.add()
            self._add_waited(waited)

    def record_other(self, seconds: float | None, error_type: str, waited: float | None, first: bool) -> None:
        """Count any other handling.

        Args:
            seconds: How long it took; None where a whole batch is timed instead.
            error_type: Empty if it worked.
            waited: Seconds between the record's timestamp and the start, None if unknown or a retry.
            first: Whether this was the message's first attempt.
        """
        if first:
            self._consumed.add()
        if waited is not None:
            if waited < 0:
                self._skew.add()
            self._add_waited(max(waited, 0.0))
        if seconds is not None:
            self.record_batch(seconds, error_type)

    def record_batch(self, seconds: float, error_type: str) -> None:
        """Observe the duration of a failed handling, a retry, or a whole batch."""
        family = self._families[definitions.PROCESS_DURATION]
        family.series("kafka", "process", self.topic, self.group or "", error_type).observe(seconds)
