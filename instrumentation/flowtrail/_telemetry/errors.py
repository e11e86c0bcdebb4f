"""How failures are told: names for `error.type` that are few, stable and without data, and failed spans."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Span, Status, StatusCode

from flowtrail._telemetry import attributes
from flowtrail.wire.dead_letters import text_of, type_name

_MAX_LINE_CHARACTERS = 300


def error_type_of(error: Any) -> str:
    """What went wrong, in a word that may be a label.

    Args:
        error: An exception, of which it is the qualified class name (builtins without their module); a
            `confluent_kafka.KafkaError`, which has the broker's own name for it; or that word itself.
    """
    if isinstance(error, str):
        return error
    return type_name(error) if isinstance(error, BaseException) else str(error.name())


def failure_text(error: BaseException | str) -> str:
    """Kind and message of an exception for a log line, 300 characters at most; a word stays what it is."""
    if isinstance(error, str):
        return error[:_MAX_LINE_CHARACTERS]
    text = text_of(error)
    return (f"{type_name(error)}: {text}" if text else type_name(error))[:_MAX_LINE_CHARACTERS]


def mark_failed(span: Span, error: BaseException | str, kind: str) -> None:
    """Say on a span that is recorded what went wrong; kind is the error's `error.type`."""
    span.set_attribute(attributes.ERROR_TYPE, kind)
    text = error if isinstance(error, str) else text_of(error)
    if isinstance(error, BaseException):
        try:
            span.record_exception(error)
        except Exception:  # noqa: BLE001 - an exception that can't be told is told by its name
            span.add_event("exception", {"exception.type": kind, "exception.message": text})
    span.set_status(Status(StatusCode.ERROR, text[:1000]))


def end_with(span: Span, error: BaseException | str | None) -> None:
    """End a span, as failed if there is an error."""
    if error is not None and span.is_recording():
        mark_failed(span, error, error_type_of(error))
    span.end()
