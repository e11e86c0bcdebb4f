"""What a dead letter says about how it died; the names are part of the wire format (docs/wire.md)."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterable

from flowtrail.wire.amqp import PROPERTY
from flowtrail.wire.names import MAX_BYTES
from flowtrail.wire.record import Header, Record
from flowtrail.wire.write import time_text

TOPIC = "dlq.topic"
PARTITION = "dlq.partition"
OFFSET = "dlq.offset"
TIMESTAMP = "dlq.timestamp"
GROUP = "dlq.group"
ATTEMPTS = "dlq.attempts"
ERROR_TYPE = "dlq.error.type"
ERROR_MESSAGE = "dlq.error.message"
ERROR_STACKTRACE = "dlq.error.stacktrace"
FAILED_AT = "dlq.failed_at"
OVERSIZE = "dlq.oversize"
LEFT_OUT = "dlq.left_out"
REPLAYS = "dlq.replays"

MINIMUM = frozenset({TOPIC, PARTITION, OFFSET, TIMESTAMP, GROUP})
"""What every dead letter says, however little room there is: by place and time its record is found again."""

MAX_MESSAGE_CHARACTERS = 1000
MAX_STACKTRACE_CHARACTERS = 8000

ADDED = frozenset({
    TOPIC, PARTITION, OFFSET, TIMESTAMP, GROUP, ATTEMPTS, ERROR_TYPE, ERROR_MESSAGE, ERROR_STACKTRACE,
    FAILED_AT, OVERSIZE, LEFT_OUT,
})  # fmt: skip
"""What dying adds; the count of replays belongs to the record."""


def dead_letter_topic(topic: str, group: str, chosen: bool | str) -> str:
    """Where the dead letters of a topic go in a group: the chosen topic, else `<topic>.<group>.dlq`."""
    return chosen if isinstance(chosen, str) else f"{topic}.{group}.dlq"


def dead_letter_headers(
    record: Record,
    *,
    group: str,
    attempts: int,
    error: BaseException,
    failed_at_ns: int,
) -> list[Header]:
    """The record's own headers as they were, and why it was given up beside them.

    What an earlier death left is replaced; `dlq.replays` stays, it counts how often the record came back.

    Args:
        record: The record, with the coordinates at which it was first consumed.
        group: The consumer group that gives up.
        attempts: How often the handler ran, 0 if the record couldn't be decoded.
        error: The last error.
        failed_at_ns: Now, nanoseconds since the epoch.
    """
    ours = {
        TOPIC: record.topic,
        PARTITION: str(record.partition),
        OFFSET: str(record.offset),
        TIMESTAMP: None if record.timestamp_ms is None else str(record.timestamp_ms),
        GROUP: group,
        ATTEMPTS: str(attempts),
        ERROR_TYPE: type_name(error),
        ERROR_MESSAGE: text_of(error)[:MAX_MESSAGE_CHARACTERS],
        ERROR_STACKTRACE: _stacktrace(error),
        FAILED_AT: time_text(None, failed_at_ns).decode(),
    }
    headers = without_dead_letter(record.headers)
    headers += [(name, text.encode("utf-8", "replace")) for name, text in ours.items() if text is not None]
    if not any(name == REPLAYS for name, _ in headers):
        headers.append((REPLAYS, b"0"))
    return headers


def smaller(headers: Iterable[Header], left_out: Collection[str]) -> list[Header]:
    """A dead letter's headers without some of what `dead_letter_headers` added."""
    return [
        (name, value)
        for name, value in headers
        if name not in left_out and not (name == REPLAYS and value == b"0" and FAILED_AT in left_out)
    ]


def without_large(headers: Iterable[Header], size: int) -> list[Header]:
    """A dead letter's headers without the record's own that have so many bytes, and the names of those.

    Event attributes stay, and what AMQP keeps beside its headers: the value can't be read without.

    Args:
        headers: All of them.
        size: Bytes of the smallest value that is left out.
    """
    kept: list[Header] = []
    lost: list[str] = []
    for name, value in headers:
        needed = name in MAX_BYTES or name in ADDED or name == REPLAYS or name.startswith(PROPERTY)
        if needed or len(value or b"") < size:
            kept.append((name, value))
        else:
            lost.append(name)
    return _saying(kept, lost)


def only_minimum(headers: Iterable[Header]) -> list[Header]:
    """Of a dead letter's headers, where the record was, and the names of its own, which are left out."""
    all_of_them = list(headers)
    kept = [header for header in all_of_them if header[0] in MINIMUM]
    return _saying(kept, [name for name, _ in all_of_them if name not in ADDED])


def _saying(kept: list[Header], lost: Iterable[str]) -> list[Header]:
    text = ", ".join(lost)[:MAX_MESSAGE_CHARACTERS]
    return [*kept, (LEFT_OUT, text.encode("utf-8", "replace"))]


def without_dead_letter(headers: Iterable[Header]) -> list[Header]:
    """Headers without what an earlier death left, but with the count of replays."""
    return [header for header in headers if header[0] not in ADDED]


def type_name(error: BaseException) -> str:
    """The qualified name of an exception's class; builtins without their module."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def text_of(error: BaseException) -> str:
    """What an exception says; whatever its own `__str__` does, this never raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - somebody else's code
        return f"<{type_name(error)}, which has no message>"


def _stacktrace(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(error)
    except Exception:  # noqa: BLE001 - it asks the exception for more than its text
        lines = [*traceback.format_tb(error.__traceback__), f"{type_name(error)}: {text_of(error)}\n"]
    # The end is where it happened; a long one loses its beginning.
    return "".join(lines)[-MAX_STACKTRACE_CHARACTERS:]
