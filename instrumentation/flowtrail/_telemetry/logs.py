"""One line per publication and per consumption, structured through `extra`, and failures of our own."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowtrail._telemetry.processing import Processing
    from flowtrail._telemetry.sending import Sending

PUBLISH = logging.getLogger("flowtrail.publish")
CONSUME = logging.getLogger("flowtrail.consume")
INTERNAL = logging.getLogger("flowtrail")

RAISE_VARIABLE = "FLOWTRAIL_RAISE_INTERNAL_ERRORS"
_reported: set[str] = set()


def log_publish(sending: Sending, error_type: str, seconds: float, partition: Any, offset: Any) -> None:
    """A publication ended."""
    level = logging.ERROR if error_type else logging.INFO
    if PUBLISH.isEnabledFor(level):
        PUBLISH.log(
            level, "publish topic=%s type=%s id=%s correlation_id=%s causation_id=%s partition=%s offset=%s "
            "outcome=%s duration_ms=%.3f", sending.topic, sending.type, sending.event_id, sending.correlation_id,
            sending.causation_id, partition, offset, error_type or "ok", seconds * 1e3,
        )  # fmt: skip


def log_consume(processing: Processing, error_type: str, seconds: float) -> None:
    """A handling ended."""
    level = logging.WARNING if error_type else logging.INFO
    if CONSUME.isEnabledFor(level):
        record = processing.record
        CONSUME.log(
            level, "consume topic=%s partition=%s offset=%s group=%s type=%s id=%s correlation_id=%s attempt=%s "
            "outcome=%s duration_ms=%.3f", record.topic, record.partition, record.offset, processing.group,
            processing.envelope.type, processing.event_id, processing.correlation_id, processing.attempt,
            processing.outcome, seconds * 1e3,
        )  # fmt: skip


def log_internal_error(where: str, error: BaseException) -> None:
    """Report a failure of the instrumentation, once per place.

    Raises:
        BaseException: The error itself, where `FLOWTRAIL_RAISE_INTERNAL_ERRORS` is set (in tests).
    """
    if os.environ.get(RAISE_VARIABLE):
        raise error
    if where not in _reported:
        _reported.add(where)
        INTERNAL.error("flowtrail failed in %s; the application goes on: %r", where, error, exc_info=error)
