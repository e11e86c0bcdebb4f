"""What the headers of a dead letter say, whichever framework wrote them. Never raises.

Each convention is a table from our field to the names of its headers and how their values are encoded.
Where a header repeats, the last value counts (Spring repeats them on each hop); a binary number whose
length doesn't fit is unknown. SmallRye is the exception: it puts its headers before those that the record
brought along, so the first one is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

__all__ = ["CONVENTIONS", "Convention", "DeadLetterHeaders", "read_headers"]

_MAX_TEXT = 512
_MAX_MESSAGE = 2_000
_REPLAYS = "dlq.replays"


class DeadLetterHeaders(NamedTuple):
    """Where a dead letter came from and why; None where that isn't said. Times: ms since the epoch.

    `DeadLetter` has the same fields, in the same order, after those of the record itself.

    Attributes:
        convention: Who wrote the headers, e.g. `spring-kafka`; `unknown` if no convention fits.
        source_topic: The topic it was consumed from; partition, offset and timestamp_ms likewise.
        group: The consumer group (or connector) that gave it up.
        attempts: How often it was tried.
        replays: How often it had been sent back to its topic before.
        error_type: Class of the error, the cause's where the outer one only wraps.
        error_message: Its message.
        failed_ms: When it was given up.
    """

    convention: str = "unknown"
    source_topic: str | None = None
    source_partition: int | None = None
    source_offset: int | None = None
    source_timestamp_ms: int | None = None
    group: str | None = None
    attempts: int | None = None
    replays: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    failed_ms: int | None = None


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


def _number(value: bytes) -> int | None:
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
        return _number(value) if value.isdigit() else binary(value)

    return read


def _moment(value: bytes) -> int | None:
    """RFC 3339, the .NET variant with a blank and `Z`, or milliseconds."""
    number = _number(value)
    if number is not None:
        return number
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
        first: Of headers that repeat, the first counts.
    """

    name: str
    marks: frozenset[str]
    fields: Fields
    first: bool = False


def _convention(name: str, fields: Fields, *marks: str, first: bool = False) -> Convention:
    return Convention(name, frozenset(marks), fields, first)


def _plain(prefix: str, **names: str) -> dict[str, list[tuple[str, Reader]]]:
    readers: dict[str, Reader] = {
        "source_partition": _number, "source_offset": _number, "attempts": _number, "replays": _number,
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
        "group": [("kafka_dlt-original-consumer-group", _text)],
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
    failed_ms="failed_at",
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

CONVENTIONS: tuple[Convention, ...] = (
    _convention("flowtrail", _OWN, "dlq.topic", "dlq.error.type"),
    _convention("kafka-connect", _CONNECT, "__connect.errors.topic", "__connect.errors.exception.class.name"),
    _convention("kafka-streams", _STREAMS, "__streams.errors.exception", "__streams.errors.topic"),
    _convention("share-group", _SHARE, "__dlq.errors.topic", "__dlq.errors.group"),
    _convention(
        "smallrye",
        _SMALLRYE,
        "dead-letter-reason",
        "dead-letter-topic",
        "dead-letter-exception-class-name",
        first=True,
    ),
    _convention("smallrye-retry", _SMALLRYE_RETRY, "delayed-retry-reason", "delayed-retry-topic", first=True),
    _convention("spring-cloud-stream", _STREAM, "x-original-topic", "x-exception-message"),
    _convention(
        "spring-kafka", _spring("kafka_dlt-"), "kafka_dlt-original-topic", "kafka_dlt-exception-fqcn"
    ),
    _convention("spring-retry-topic", _spring("kafka_"), "kafka_original-topic", "kafka_exception-fqcn"),
    _convention("masstransit", _MASSTRANSIT, "MT-Fault-ExceptionType", "MT-Reason"),
    _convention(
        "nservicebus", _NSERVICEBUS, "NServiceBus.FailedQ", "NServiceBus.ExceptionInfo.ExceptionType"
    ),
)
"""In the order in which they are tried: of several hands that wrote headers, ours counts first."""


def read_headers(headers: Any) -> DeadLetterHeaders:
    """What the headers of a dead letter say.

    Args:
        headers: (name, value) pairs as the client hands them over, or None.

    Returns:
        With `convention="unknown"` and nothing else if no convention fits.
    """
    pairs = _pairs(headers)
    last = dict(pairs)
    for convention in CONVENTIONS:
        if not convention.marks.isdisjoint(last):
            return _read(convention, dict(reversed(pairs)) if convention.first else last)
    return DeadLetterHeaders()


def _pairs(headers: Any) -> list[tuple[str, bytes]]:
    try:
        items = list(headers or ())
    except TypeError:
        return []
    return [
        (item[0], item[1])
        for item in items
        if isinstance(item, tuple | list)
        and len(item) == 2
        and isinstance(item[0], str)
        and isinstance(item[1], bytes)
    ]


def _read(convention: Convention, headers: Mapping[str, bytes]) -> DeadLetterHeaders:
    found: dict[str, Any] = {"convention": convention.name}
    # Whoever dead letters a record that a redrive sent back: our count is among the headers it brought along.
    replays = headers.get(_REPLAYS)
    if replays is not None:
        found["replays"] = _number(replays)
    for field, sources in convention.fields.items():
        for name, read in sources:
            value = headers.get(name)
            result = None if value is None else read(value)
            if result is not None:
                found[field] = result
                break
    return DeadLetterHeaders(**found)
