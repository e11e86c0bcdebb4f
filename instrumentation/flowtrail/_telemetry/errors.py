"""How failures are told: names for `error.type` that are few, stable and without data, and failed spans."""

from __future__ import annotations

from opentelemetry.trace import Span, Status, StatusCode

from flowtrail._telemetry import attributes
from flowtrail.wire.dead_letters import type_name


def error_type_of(error: BaseException | str) -> str:
    """The qualified class name of an exception; builtins without their module, strings as they are."""
    if isinstance(error, str):
        return error
    code = getattr(error, "name", None)
    if callable(code):  # confluent_kafka.KafkaError: the broker's own name for what went wrong
        return str(code())
    return type_name(error)


def mark_failed(span: Span, error: BaseException | str, kind: str) -> None:
    """Say on a span that is recorded what went wrong; kind is the error's `error.type`."""
    span.set_attribute(attributes.ERROR_TYPE, kind)
    if isinstance(error, BaseException):
        span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, str(error)[:1000]))


def end_with(span: Span, error: BaseException | str | None) -> None:
    """End a span, as failed if there is an error."""
    if error is not None and span.is_recording():
        mark_failed(span, error, error_type_of(error))
    span.end()
