"""Spans of time, sizes and moments as they are written in settings, files and JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from flowtrail_collector.errors import ConfigurationError

# Longest first, for `exact_span`; the microsecond has two names.
_NANOSECONDS = {
    "w": 604_800 * 10**9, "d": 86_400 * 10**9, "h": 3_600 * 10**9, "m": 60 * 10**9, "s": 10**9,
    "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1,
}  # fmt: skip
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def convert_span(number: str, unit: str, to: str = "s") -> float:
    """So many of a unit of time in another; units are `w`, `d`, `h`, `m`, `s`, `ms`, `us`, `µs`, `ns`."""
    return float(number) * (_NANOSECONDS[unit] / _NANOSECONDS[to])


def parse_duration(text: str) -> float:
    """A time span such as `90s`, `5m`, `2h`, `1d`, `1h30m`, in seconds.

    Raises:
        ConfigurationError: Not a time span.
    """
    compact = text.strip().replace(" ", "")
    matches = list(_SPAN.finditer(compact))
    if not matches or "".join(match.group(0) for match in matches) != compact:
        raise ConfigurationError(f"{text!r} is not a time span; write for example 90s, 5m, 2h or 1d")
    return sum(convert_span(match[1], match[2]) for match in matches)


def exact_span(span_ms: int) -> str:
    """A time span in the largest unit that holds it in whole numbers: `90s`, `2h`, `1w`."""
    return next(
        f"{span_ms * 10**6 // size}{unit}"
        for unit, size in _NANOSECONDS.items()
        if span_ms * 10**6 % size == 0
    )


def parse_size(text: str) -> int:
    """A size such as `500MB` or `20GB` (powers of 1000), in bytes.

    Raises:
        ConfigurationError: Not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip().upper())
    if match is None:
        raise ConfigurationError(f"{text!r} is not a size; write for example 500MB or 20GB")
    return int(float(match.group(1)) * 1000 ** " KMGT".index(match.group(2) or " "))


def iso_time(time_ns: int) -> str:
    """Nanoseconds since the epoch as RFC 3339 in UTC, with microseconds; beyond the years 1 to 9999, their end."""
    # Integer arithmetic: a float of nanoseconds since the epoch is only good to a quarter of a microsecond.
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    try:
        base = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59.999999Z" if time_ns > 0 else "0001-01-01T00:00:00.000000Z"
    return f"{base:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06d}Z"


def iso_time_ms(time_ms: int | None) -> str | None:
    """Milliseconds since the epoch as RFC 3339; None stays None."""
    return None if time_ms is None else iso_time(time_ms * 1_000_000)


def iso_time_seconds(time_seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(time_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
