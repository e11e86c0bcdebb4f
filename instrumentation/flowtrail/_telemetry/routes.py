"""What is the same for all messages of a topic, worked out once."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from flowtrail._telemetry import attributes, definitions
from flowtrail._telemetry.definitions import DURATION_BUCKETS, QUEUE_BUCKETS
from flowtrail._telemetry.instruments import Families


class SendRoute:
    """Publishing to one topic.

    Attributes:
        span_name: `send T`.
        attributes: Span attributes that never change.
    """

    __slots__ = ("_duration", "_families", "_sent", "attributes", "span_name", "topic")

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
        self._sent = families[definitions.SENT].series("kafka", "send", topic, "")
        self._duration = families[definitions.OPERATION_DURATION].series("kafka", "send", topic, "", "")

    def record(self, seconds: float, error_type: str) -> None:
        """Count one publication that took so long; error_type is empty if it worked."""
        families = self._families
        if error_type or families.through_otel:
            families[definitions.SENT].series("kafka", "send", self.topic, error_type).add()
            duration = families[definitions.OPERATION_DURATION]
            duration.series("kafka", "send", self.topic, "", error_type).observe(seconds)
            return
        duration_series = self._duration
        with families.lock:
            self._sent.total += 1
            duration_series.counts[bisect_left(DURATION_BUCKETS, seconds)] += 1
            duration_series.total += seconds


class ProcessRoute:
    """Handling the messages of one topic in one group.

    Attributes:
        span_name: `process T`.
        attributes: Span attributes that never change.
    """

    __slots__ = (
        "_consumed", "_duration", "_families", "_queue", "_skew", "attributes", "group", "span_name", "topic",
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
        self._consumed = families[definitions.CONSUMED].series("kafka", "process", topic, group or "")
        self._duration = families[definitions.PROCESS_DURATION].series(
            "kafka", "process", topic, self.group or "", ""
        )
        self._queue = families[definitions.QUEUE_DURATION].series(topic, group or "")
        self._skew = families[definitions.CLOCK_SKEW].series(topic, group or "")

    def record(
        self, seconds: float | None, error_type: str, waited: float | None, *, first: bool = True
    ) -> None:
        """Count one handling.

        Args:
            seconds: How long it took; None where a whole batch was timed instead.
            error_type: Empty if it worked.
            waited: Seconds between the record's timestamp and now, None if unknown or already counted.
            first: Whether this is the message's first attempt.
        """
        families = self._families
        if waited is not None and waited < 0:
            waited = 0.0
            self._skew.add()
        if error_type or families.through_otel or seconds is None:
            self._record_slowly(seconds, error_type, waited, first)
            return
        duration, queue = self._duration, self._queue
        with families.lock:
            if first:
                self._consumed.total += 1
            if waited is not None:
                queue.counts[bisect_left(QUEUE_BUCKETS, waited)] += 1
                queue.total += waited
            duration.counts[bisect_left(DURATION_BUCKETS, seconds)] += 1
            duration.total += seconds

    def _record_slowly(
        self, seconds: float | None, error_type: str, waited: float | None, first: bool
    ) -> None:
        if first:
            self._consumed.add()
        if waited is not None:
            self._queue.observe(waited)
        if seconds is not None:
            family = self._families[definitions.PROCESS_DURATION]
            family.series("kafka", "process", self.topic, self.group or "", error_type).observe(seconds)

    def record_batch(self, seconds: float, error_type: str) -> None:
        """Observe the duration of a whole batch."""
        family = self._families[definitions.PROCESS_DURATION]
        family.series("kafka", "process", self.topic, self.group or "", error_type).observe(seconds)
