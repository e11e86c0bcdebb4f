"""What is the same for all messages of a topic, worked out once."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import Any

from flowtrail._telemetry import attributes, definitions
from flowtrail._telemetry.instruments import MANY, Families, add_many, take_all


class _Route:
    """What both kinds of route have.

    Observations are kept in a deque, which needs no lock and costs a tenth of counting them, and counted in
    when there are many and before anybody reads.

    Attributes:
        system: OpenTelemetry's `messaging.system`.
        is_log: Whether its messages have partitions, offsets and keys.
        topic: The topic.
        span_name: `OPERATION TOPIC`.
        attributes: Span attributes that never change.
        pending: Observations that aren't counted yet.
        many: When to call `settle`.
    """

    __slots__ = (
        "__weakref__", "_families", "attributes", "is_log", "many", "pending", "span_name", "system", "topic",
    )  # fmt: skip

    def __init__(
        self,
        families: Families,
        system: str,
        operation: str,
        topic: str,
        group: str | None,
        client_id: str | None,
    ) -> None:
        self._families = families
        self.system = system
        self.is_log = system == attributes.KAFKA
        self.topic = topic
        self.span_name = f"{operation} {topic}"
        self.attributes = attributes.common(
            system, operation, operation, topic=topic, group=group, client_id=client_id
        )
        self.pending: deque[Any] = deque()
        self.many = 1 if families.at_once else MANY

    def __del__(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Count in what is pending; from any thread."""
        raise NotImplementedError


class SendRoute(_Route):
    """Publishing to one topic; `pending` holds the seconds that successful publications took."""

    __slots__ = ("_duration", "_sent")

    def __init__(self, families: Families, system: str, topic: str, client_id: str | None) -> None:
        super().__init__(families, system, "send", topic, None, client_id)
        self._duration = families[definitions.OPERATION_DURATION].series(system, "send", topic, "", "")
        self._sent = families[definitions.SENT].series(system, "send", topic, "")
        families.routes.add(self)

    def settle(self) -> None:
        """See `_Route.settle`."""
        taken = take_all(self.pending)
        if taken:
            add_many(taken, self._duration, self._sent)

    def record_failure(self, seconds: float, error_type: str) -> None:
        """Count one publication that failed."""
        families = self._families
        families[definitions.SENT].series(self.system, "send", self.topic, error_type).add()
        duration = families[definitions.OPERATION_DURATION]
        duration.series(self.system, "send", self.topic, "", error_type).observe(seconds)


class ProcessRoute(_Route):
    """Handling the messages of one topic in one group.

    `pending` holds, of each first, successful handling, the seconds it took, and the seconds from the record's
    timestamp to its start, None if unknown.

    Attributes:
        group: The group, None if unknown.
    """

    __slots__ = ("_consumed", "_duration", "_queue", "_skew", "group")

    def __init__(
        self, families: Families, system: str, topic: str, group: str | None, client_id: str | None
    ) -> None:
        super().__init__(families, system, "process", topic, group, client_id)
        self.group = group
        named = group or ""
        self._consumed = families[definitions.CONSUMED].series(system, "process", topic, named)
        self._duration = families[definitions.PROCESS_DURATION].series(system, "process", topic, named, "")
        self._queue = families[definitions.QUEUE_DURATION].series(topic, named)
        self._skew = families[definitions.CLOCK_SKEW].series(topic, named)
        families.routes.add(self)

    def settle(self) -> None:
        """See `_Route.settle`."""
        taken = take_all(self.pending)
        if not taken:
            return
        add_many([seconds for seconds, _ in taken], self._duration, self._consumed)
        waited = sorted([value for _, value in taken if value is not None])
        ahead = bisect_left(waited, 0.0)
        if ahead:
            self._skew.add(ahead)
            waited[:ahead] = [0.0] * ahead
        if waited:
            add_many(waited, self._queue)

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
            self._queue.observe(max(waited, 0.0))
        if seconds is not None:
            self.record_batch(seconds, error_type)

    def record_batch(self, seconds: float, error_type: str) -> None:
        """Observe the duration of a failed handling, a retry, or a whole batch."""
        family = self._families[definitions.PROCESS_DURATION]
        family.series(self.system, "process", self.topic, self.group or "", error_type).observe(seconds)
