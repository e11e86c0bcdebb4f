"""What confluent-kafka's errors say."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from flowtrail_collector.errors import ServiceUnreachableError

__all__ = ["cause_of", "reason_of", "text_of", "unreachable"]

_MAX_REASON = 300


def cause_of(error: object) -> object:
    """The KafkaError in an exception; anything else as it is."""
    return error.args[0] if isinstance(error, KafkaException) and error.args else error


def text_of(error: object) -> str:
    """What Kafka or librdkafka said; futures carry a KafkaError now, a KafkaException then."""
    cause = cause_of(error)
    return cause.str() if isinstance(cause, KafkaError) else str(cause)


def reason_of(error: object) -> str:
    """One line of `text_of`."""
    return text_of(error).partition("\n")[0][:_MAX_REASON]


def unreachable(servers: str, reason: object) -> ServiceUnreachableError:
    """No broker answers at these servers; `reason` is text or an error."""
    return ServiceUnreachableError(f"no Kafka broker answers at {servers}: {text_of(reason)}")
