"""Writing record headers: ours replace earlier ones, the caller's list stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from flowtrail.errors import EncodeError
from flowtrail.wire import names
from flowtrail.wire.names import MAX_SEQUENCE
from flowtrail.wire.record import Header

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,100})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def write_headers(headers: Any, ours: list[Header]) -> list[Header]:
    """A new list: the caller's headers without any that `ours` brings, then `ours`.

    Args:
        headers: What the caller wants to send: (name, value) pairs in any iterable, a mapping, or None; never
            mutated. What isn't a pair is handed on, so that the client itself can refuse it.
        ours: The headers to add.
    """
    if not headers:
        return ours
    replaced = {name for name, _ in ours}
    return [header for header in as_pairs(headers) if name_of(header) not in replaced] + ours


def as_pairs(headers: Iterable[Header] | Mapping[str, Any] | None) -> Iterable[Header]:
    """Headers as pairs: confluent-kafka also takes a mapping."""
    if headers is None:
        return ()
    return list(headers.items()) if isinstance(headers, Mapping) else headers


def checked_pairs(headers: Any) -> list[Header] | None:
    """The headers that somebody publishes with, as pairs.

    Raises:
        EncodeError: One isn't text and bytes, or text and None; names it.
    """
    if headers is None:
        return None
    try:
        pairs: list[Any] = list(as_pairs(headers))
    except TypeError:
        raise EncodeError(f"headers are pairs of a name and bytes, not {type(headers).__name__}") from None
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise EncodeError(f"a header is a pair of a name and bytes, not {pair!r:.60}")
        if pair[1] is not None and not isinstance(pair[1], bytes):
            kind = type(pair[1]).__name__
            raise EncodeError(f"the header {pair[0]!r:.60} is {kind}, and should be bytes: encode it")
    return pairs


def name_of(header: Any) -> str | None:
    """The name in a (name, value) pair; None if it isn't one."""
    try:
        name = header[0]
    except (TypeError, IndexError, KeyError):
        return None
    return name if isinstance(name, str) else None


def clean_text(value: object, max_bytes: int) -> bytes:
    """A header value that every reader will take: printable, UTF-8, not longer than the wire format allows.

    Args:
        value: What should be said.
        max_bytes: Longest value in bytes; what is longer is cut at a character.
    """
    text = value if type(value) is str else str(value)
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "?" for character in text)
    data = text.encode("utf-8", "replace")
    return data if len(data) <= max_bytes else data[:max_bytes].decode("utf-8", "ignore").encode()


def exact_text(name: str, value: object) -> bytes:
    """A header value exactly as given: cut or cleaned, the values of two events could become the same.

    Raises:
        EncodeError: It isn't text, is empty, is longer than the wire format allows, or holds characters that
            readers refuse.
    """
    if not isinstance(value, str):
        raise EncodeError(f"{name} is text, not {type(value).__name__}")
    text = value if type(value) is str else str.__str__(value)  # an enumeration's own str() is its name
    if not text:
        raise EncodeError(f"{name} is empty: leave it out, or say what it is")
    if not text.isprintable():
        raise EncodeError(f"{name} holds a character that can't be printed: {text[:60]!a}")
    data = text.encode()
    if len(data) > names.MAX_BYTES[name]:
        raise EncodeError(
            f"{name} is {len(data)} bytes long, and the limit is {names.MAX_BYTES[name]}: {text[:60]!r}..."
        )
    return data


def sequence_text(sequence: object) -> bytes:
    """A position in a stream as every reader takes it.

    Raises:
        EncodeError: It isn't a whole number from 0 to 2**63 - 1.
    """
    if isinstance(sequence, int) and not isinstance(sequence, bool) and 0 <= sequence <= MAX_SEQUENCE:
        return b"%d" % sequence
    raise EncodeError(f"{names.SEQUENCE} is a whole number from 0 to {MAX_SEQUENCE}, not {sequence!r:.60}")


def time_text(time: datetime | str | None, now_ns: int) -> bytes:
    """A moment as the wire format has it, RFC 3339 in UTC with microseconds.

    Args:
        time: The moment; one without a time zone is in UTC already, text in RFC 3339 is taken as it is, None
            is now.
        now_ns: Now, nanoseconds since the epoch.

    Raises:
        EncodeError: It is no moment.
    """
    if time is None:
        return now_text(now_ns)
    moment = _moment(time)
    if isinstance(time, str) and moment.tzinfo is not None and _RFC_3339.fullmatch(time):
        return time.encode()
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()


def _moment(time: object) -> datetime:
    if isinstance(time, datetime):
        return time
    if isinstance(time, str):
        try:
            return datetime.fromisoformat(time)
        except ValueError:
            pass
    raise EncodeError(f"{names.TIME} is a datetime, or text such as 2026-03-01T12:00:00Z, not {time!r:.60}")


def now_text(now_ns: int) -> bytes:
    """`time_text` of now."""
    begins, over, text = _millisecond[0]
    if not begins <= now_ns < over:
        now_ms = now_ns // 1_000_000
        text = b"%b.%03d" % (_second_text(now_ms // 1000), now_ms % 1000)
        _millisecond[0] = now_ms * 1_000_000, (now_ms + 1) * 1_000_000, text
    return text + _MICROSECONDS[now_ns // 1000 % 1000]


_MICROSECONDS = tuple(b"%03dZ" % micros for micros in range(1000))
_millisecond = [(0, 0, b"")]
"""The last one that was written: when many messages are sent, many are sent in each."""


@lru_cache(maxsize=8)
def _second_text(seconds: int) -> bytes:
    """A moment up to its second: many messages are sent in each."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}".encode()
