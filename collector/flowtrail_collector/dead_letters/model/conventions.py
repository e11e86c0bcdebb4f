"""The headers that each project puts on a dead letter: one table a convention. Pure data and readers of values.

Each convention is a table from our field to the names of its headers and how their values are encoded, and the
list of the headers that dying adds, by name: an application may have headers that begin like them. The names are
those of each project's source: Spring's `KafkaHeaders` and `KafkaMessageChannelBinder`, Connect's
`DeadLetterQueueReporter`, KIP-1034, KIP-1191, SmallRye's `KafkaDeadLetterQueue` and `KafkaDelayedRetryTopic`,
MassTransit's `MessageHeaders`, NServiceBus' `ExceptionHeaderHelper`, RabbitMQ's `rabbit_dead_letter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowtrail.wire import dead_letters as own
from flowtrail_collector.dead_letters.model.x_death import latest_death

__all__ = ["CONVENTIONS", "Convention", "number"]

_MAX_TEXT = 512
_MAX_MESSAGE = 2_000


def _clean(value: bytes, length: int, keep: str = "") -> str | None:
    text = value[: 4 * length].decode("utf-8", "replace")[:length]
    if not text.isprintable():
        text = "".join(char if char.isprintable() or char in keep else " " for char in text)
    return text.strip() or None


def _text(value: bytes) -> str | None:
    return _clean(value, _MAX_TEXT)


def _message(value: bytes) -> str | None:
    return _clean(value, _MAX_MESSAGE, "\n\t")


def _class_of(value: bytes) -> str | None:
    """The class in what Java's `Throwable.toString` says: `class: message`."""
    text = _text(value)
    return None if text is None else text.partition(": ")[0].strip() or None


def _last_segment(value: bytes) -> str | None:
    """The topic in an address such as `kafka://host/topic?settings`."""
    text = _text(value)
    return None if text is None else text.partition("?")[0].rstrip("/").rpartition("/")[2] or None


def number(value: bytes) -> int | None:
    try:
        text = value.decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    return int(text) if len(text) <= 18 and text.removeprefix("-").isdigit() else None


def _binary(*sizes: int) -> Callable[[bytes], int | None]:
    def read(value: bytes) -> int | None:
        return int.from_bytes(value, "big", signed=True) if len(value) in sizes else None

    return read


def _binary_or_text(*sizes: int) -> Callable[[bytes], int | None]:
    """Many home-made writers use Spring's names with text. Digits read as binary would be absurdly large."""
    binary = _binary(*sizes)

    def read(value: bytes) -> int | None:
        return number(value) if value.isdigit() else binary(value)

    return read


def _moment(value: bytes) -> int | None:
    """RFC 3339, the .NET variant with a blank and `Z`, or milliseconds."""
    milliseconds = number(value)
    if milliseconds is not None:
        return milliseconds
    text = value[:64].decode("ascii", "replace").strip()
    # NServiceBus: "2026-11-02 10:11:12:123456 Z"
    if text.endswith(" Z") and text.count(":") == 3:
        head, _, tail = text[:-2].rpartition(":")
        text = f"{head}.{tail}+00:00"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp() * 1000) if moment.tzinfo else None


def _utc_moment(value: bytes) -> int | None:
    """AMQP's times are in UTC; clients show them with and without saying so."""
    moment = _moment(value)
    return _moment(value + b"+00:00") if moment is None else moment


_INT32, _INT64, _INT8_OR_32 = _binary_or_text(4), _binary_or_text(8), _binary(1, 4)
_BIG_INTEGER = _binary(*range(1, 9))  # Java's BigInteger: as many bytes as it needs
Reader = Callable[[bytes], Any]
Fields = Mapping[str, Sequence[tuple[str, Reader]]]


@dataclass(frozen=True, slots=True)
class Convention:
    """One project's headers.

    Attributes:
        name: The project.
        marks: One of these headers means that this convention is at work.
        fields: For each field of `DeadLetterHeaders`: (header, how to read it), in order of preference.
        added: All headers that dying adds.
        added_family: Dying adds headers that begin like this, too, and nobody else does; empty: none.
        borrowed: Dying adds these, too, unless the record also bears the marks of another convention.
        once: One of these that repeats means that the record died more than once. Others may repeat on each hop
            of a chain of retries.
        first: Its headers stand before those that the record brought along; of those that repeat, the first counts.
        sorted_in: Its headers are put among the others by name, so that where they stand says nothing.
    """

    name: str
    marks: frozenset[str]
    fields: Fields
    added: frozenset[str]
    added_family: str = ""
    borrowed: frozenset[str] = frozenset()
    once: frozenset[str] = frozenset()
    first: bool = False
    sorted_in: bool = False

    def adds(self, name: str) -> bool:
        """Whether dying adds a header of this name."""
        return name in self.added or bool(self.added_family and name.startswith(self.added_family))


def _names(prefix: str, names: str) -> frozenset[str]:
    return frozenset(prefix + name for name in names.split())


def _plain(prefix: str, **names: str) -> dict[str, list[tuple[str, Reader]]]:
    readers: dict[str, Reader] = {
        "source_partition": number, "source_offset": number, "attempts": number, "replays": number,
        "source_timestamp_ms": _moment, "failed_ms": _moment, "error_message": _message,
    }  # fmt: skip
    return {field: [(prefix + name, readers.get(field, _text))] for field, name in names.items()}


def _spring(prefix: str) -> dict[str, list[tuple[str, Reader]]]:
    return {
        "source_topic": [(f"{prefix}original-topic", _text)],
        "source_partition": [(f"{prefix}original-partition", _INT32)],
        "source_offset": [(f"{prefix}original-offset", _INT64)],
        "source_timestamp_ms": [
            ("retry_topic-original-timestamp", _BIG_INTEGER),
            (f"{prefix}original-timestamp", _INT64),
        ],
        "group": [(f"{prefix}original-consumer-group", _text), ("kafka_dlt-original-consumer-group", _text)],
        "attempts": [("retry_topic-attempts", _INT8_OR_32)],
        # The outer exception is usually Spring's wrapper, which says nothing.
        "error_type": [
            (f"{prefix}exception-cause-fqcn", _text),
            (f"{prefix}exception-fqcn", _text),
            (f"{prefix}key-exception-fqcn", _text),
        ],
        "error_message": [
            (f"{prefix}exception-message", _message),
            (f"{prefix}key-exception-message", _message),
        ],
    }


_OWN = _plain(
    "dlq.", source_topic="topic", source_partition="partition", source_offset="offset", source_timestamp_ms="timestamp", group="group",
    attempts="attempts", replays="replays", error_type="error.type", error_message="error.message",
    failed_ms="failed_at", oversize="oversize",
)  # fmt: skip
_CONNECT = _plain(
    "__connect.errors.", source_topic="topic", source_partition="partition", source_offset="offset", group="connector.name",
    error_type="exception.class.name", error_message="exception.message",
)  # fmt: skip
_STREAMS: Fields = {
    **_plain(
        "__streams.errors.",
        source_topic="topic",
        source_partition="partition",
        source_offset="offset",
        error_message="message",
    ),
    "error_type": [("__streams.errors.exception", _class_of)],
}
_SHARE = _plain(
    "__dlq.errors.", source_topic="topic", source_partition="partition", source_offset="offset", group="group",
    attempts="delivery.count", error_message="message",
)  # fmt: skip
_SMALLRYE: Fields = {
    **_plain(
        "dead-letter-", source_topic="topic", source_partition="partition", source_offset="offset", error_message="reason",
    ),
    "error_type": [("dead-letter-cause-class-name", _text), ("dead-letter-exception-class-name", _text)],
}  # fmt: skip
_SMALLRYE_RETRY = _plain(
    "delayed-retry-", source_topic="topic", source_partition="partition", source_offset="offset", error_message="reason",
    error_type="exception-class-name",
)  # fmt: skip
_STREAM: Fields = {
    **_spring("x-"),
    "error_type": [("x-exception-fqcn", _text)],
    "error_message": [("x-exception-message", _message)],
    "group": [],
    "attempts": [],
    "source_timestamp_ms": [("x-original-timestamp", _INT64)],
}
_MASSTRANSIT: Fields = {
    **_plain(
        "MT-Fault-", error_type="ExceptionType", error_message="Message", failed_ms="Timestamp",
        attempts="RetryCount",
    ),
    "source_topic": [("MT-Fault-InputAddress", _last_segment)],
    "group": [("MT-Fault-ConsumerType", _text)],
}  # fmt: skip
_NSERVICEBUS: Fields = {
    **_plain(
        "NServiceBus.", source_topic="FailedQ", error_type="ExceptionInfo.ExceptionType",
        error_message="ExceptionInfo.Message", failed_ms="TimeOfFailure", attempts="Retries",
    ),
}  # fmt: skip

_PLACE = "topic partition offset"
_SPRING_ADDED = """original-topic original-partition original-offset original-timestamp original-timestamp-type
 original-consumer-group exception-fqcn exception-cause-fqcn exception-message exception-stacktrace
 key-exception-fqcn key-exception-message key-exception-stacktrace"""
_SPRING_PLACE = "original-topic original-partition original-offset"
# Counts of attempts go, too: kept, they would make the next failure the last one.
_RETRY_TOPIC_ADDED = _names("retry_topic-", "attempts original-timestamp backoff-timestamp")
_STREAM_ADDED = _names("x-original-", "topic partition offset timestamp timestamp-type") | _names(
    "x-exception-", "fqcn message stacktrace"
)
_CONNECT_ADDED = _names(
    "__connect.errors.",
    f"{_PLACE} connector.name task.id stage class.name exception.class.name exception.message exception.stacktrace",
)
_STREAMS_ADDED = _names("__streams.errors.", f"{_PLACE} exception message stacktrace")
_SHARE_ADDED = _names("__dlq.errors.", f"{_PLACE} group delivery.count message")
_SMALLRYE_ADDED = _names("dead-letter-", f"{_PLACE} reason cause exception-class-name cause-class-name")
_SMALLRYE_RETRY_ADDED = _names(
    "delayed-retry-",
    f"{_PLACE} reason cause exception-class-name cause-class-name count original-timestamp first-processing-timestamp",
)
_MASSTRANSIT_ADDED = _names(
    "MT-Fault-",
    "ExceptionType Message MessageType StackTrace Timestamp ConsumerType InputAddress RetryCount RedeliveryCount",
) | {"MT-Reason"}
# Who sent what (NServiceBus.MessageId) isn't among them.
_NSERVICEBUS_ADDED = _names("NServiceBus.", "FailedQ TimeOfFailure Retries Retries.Timestamp") | _names(
    "NServiceBus.ExceptionInfo.",
    "ExceptionType InnerExceptionType Message Source StackTrace HelpLink AuditMessage",
)
_DEATHS = "x-death"
_RABBITMQ: dict[str, list[tuple[str, Reader]]] = {
    "source_topic": [(_DEATHS, latest_death("queue", _text))],
    "group": [(_DEATHS, latest_death("queue", _text))],
    "attempts": [(_DEATHS, latest_death("count", number))],
    "error_type": [(_DEATHS, latest_death("reason", _text))],
    "failed_ms": [(_DEATHS, latest_death("time", _utc_moment))],
}
_RABBITMQ_ADDED = frozenset({_DEATHS}) | _names(
    "x-",
    "first-death-exchange first-death-queue first-death-reason last-death-exchange last-death-queue"
    " last-death-reason",
)

CONVENTIONS: tuple[Convention, ...] = (
    Convention("flowtrail", _names("dlq.", "topic error.type"), _OWN, own.ADDED, once=own.ADDED),
    Convention(
        "kafka-connect", _names("__connect.errors.", "topic exception.class.name"), _CONNECT, _CONNECT_ADDED,
        once=_CONNECT_ADDED,
    ),
    Convention(
        "kafka-streams", _names("__streams.errors.", "topic exception"), _STREAMS, _STREAMS_ADDED,
        once=_STREAMS_ADDED,
    ),
    Convention("share-group", _names("__dlq.errors.", "topic group"), _SHARE, _SHARE_ADDED, once=_SHARE_ADDED),
    Convention(
        "smallrye", _names("dead-letter-", "reason topic exception-class-name"), _SMALLRYE, _SMALLRYE_ADDED,
        once=_SMALLRYE_ADDED, first=True,
    ),
    Convention(
        "smallrye-retry", _names("delayed-retry-", "reason topic"), _SMALLRYE_RETRY, _SMALLRYE_RETRY_ADDED,
        first=True,
    ),
    Convention(
        "spring-cloud-stream", frozenset({"x-original-topic", "x-exception-message"}), _STREAM, _STREAM_ADDED,
        once=_STREAM_ADDED,
    ),
    Convention(
        "spring-kafka", _names("kafka_dlt-", "original-topic exception-fqcn"), _spring("kafka_dlt-"),
        _names("kafka_dlt-", _SPRING_ADDED), borrowed=_RETRY_TOPIC_ADDED, once=_names("kafka_dlt-", _SPRING_PLACE),
    ),
    Convention(
        "spring-retry-topic", _names("kafka_", "original-topic exception-fqcn"), _spring("kafka_"),
        _names("kafka_", _SPRING_ADDED) | _RETRY_TOPIC_ADDED | {"kafka_dlt-original-consumer-group"},
        once=_names("kafka_", _SPRING_PLACE),
    ),
    Convention("masstransit", frozenset({"MT-Fault-ExceptionType", "MT-Reason"}), _MASSTRANSIT, _MASSTRANSIT_ADDED),
    Convention(
        "nservicebus", _names("NServiceBus.", "FailedQ ExceptionInfo.ExceptionType"), _NSERVICEBUS,
        _NSERVICEBUS_ADDED, "NServiceBus.ExceptionInfo.Data.",
    ),
    Convention("rabbitmq", frozenset({_DEATHS}), _RABBITMQ, _RABBITMQ_ADDED, sorted_in=True),
)  # fmt: skip
"""Of several hands whose headers don't say who came last, the first one here counts."""
