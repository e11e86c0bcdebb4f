"""Writing record headers: ours replace earlier ones, the caller's list stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from flowtrail.wire import names
from flowtrail.wire.record import Header


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


def time_text(time: datetime | str | None, now_ns: int) -> bytes:
    """A moment as the wire format has it, RFC 3339 in UTC with microseconds.

    Args:
        time: The moment; one without a time zone is in UTC already, text is taken as it is, None is now.
        now_ns: Now, nanoseconds since the epoch.
    """
    if isinstance(time, str):
        return clean_text(time, names.MAX_BYTES[names.TIME])
    if time is None:
        return now_text(now_ns)
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()


def now_text(now_ns: int) -> bytes:
    """`time_text` of now."""
    return b"%b.%06dZ" % (_second_text(now_ns // 1_000_000_000), now_ns // 1000 % 1_000_000)


@lru_cache(maxsize=8)
def _second_text(seconds: int) -> bytes:
    """A moment up to its second: many messages are sent in each."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}".encode()
