"""Names of errors for `error.type`: few, stable, without data in them."""

from __future__ import annotations


def error_type_of(error: BaseException | str) -> str:
    """The qualified class name of an exception; builtins without their module, strings as they are."""
    if isinstance(error, str):
        return error
    kind = type(error)
    code = getattr(error, "name", None)
    if callable(code):  # confluent_kafka.KafkaError: the broker's own name for what went wrong
        return str(code())
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
