"""The handling of a message, or of a batch, that FastStream received."""

from __future__ import annotations

from typing import Any

from flowtrail._batch import Batch, BatchMember
from flowtrail._context import attach, get_current
from flowtrail._runtime.scope import Scope, enter_scope
from flowtrail._telemetry import Telemetry
from flowtrail.errors import PublishError
from flowtrail.wire import as_record


class Consuming:
    """Begins when it is made; its flow and its span are current until `leave`.

    Args:
        telemetry: Where to report.
        message: A record of aiokafka or confluent-kafka, or a sequence of them.
        group: Consumer group.

    Attributes:
        batch: The messages of a batch, None for a single one.
        correlation_id: Id of the flow of a single message.
    """

    def __init__(self, telemetry: Telemetry, message: Any, group: str | None) -> None:
        self.batch: Batch[Any] | None = None
        self.correlation_id: str | None = None
        self._outer = get_current()
        self._members: list[BatchMember[Any]] = []
        if isinstance(message, tuple | list):
            traced = telemetry.processing_batch([as_record(record) for record in message], group=group)
            self._handling: Any = traced.__enter__()
            self._members = [BatchMember(item) for item in traced]
            self.batch = Batch(self._members)
        else:
            processing = telemetry.processing(as_record(message), group=group).__enter__()
            self._handling = processing
            self.correlation_id = processing.correlation_id
        self._scope = Scope()
        enter_scope(self._scope)

    def close(self) -> Scope | None:
        """The handler has returned; hands back what has to be waited for, if anything."""
        self._scope.close()
        return None if self._scope.settled else self._scope

    def leave(self, error: BaseException | None) -> BaseException | None:
        """End the handling.

        Args:
            error: What the handler raised.

        Returns:
            What went wrong with its publications, if the handler itself didn't fail.
        """
        failure = None if error is not None else self._publish_error()
        ended_by = error or failure
        for member in self._members:
            if not member.entered:
                if isinstance(ended_by, Exception) and member.error is None:
                    member.fail(ended_by)
                member.close()
        self._handling.__exit__(type(ended_by) if ended_by is not None else None, ended_by, None)
        attach(self._outer)
        return failure

    def _publish_error(self) -> BaseException | None:
        if not self._scope.settled:
            return PublishError("publications were not acknowledged in time", topic="")
        return self._scope.error
