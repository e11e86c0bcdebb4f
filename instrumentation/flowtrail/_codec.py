"""Payloads: bytes on the wire, data in the handler."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

from flowtrail._written import dump_of
from flowtrail.errors import ConfigurationError, DecodeError, EncodeError

_FORMATS = ("json", "avro", "protobuf")
_MAX_DEPTH = 50  # how deep an error looks for its field


class Codec(Protocol):
    """Turns data into a record's value and back."""

    @property
    def content_type(self) -> str:
        """What is written into the `content-type` header."""
        ...

    def encode(self, data: Any) -> bytes:
        """Data to bytes.

        Raises:
            EncodeError: The data can't be represented.
        """
        ...

    def decode(self, payload: bytes, content_type: str | None) -> Any:
        """Bytes to data; `content_type` is what the record says it holds, None if it says nothing.

        Raises:
            DecodeError: The bytes aren't what they should be.
        """
        ...


class JsonCodec:
    """UTF-8 JSON.

    On the way out, dataclasses, pydantic models, enumerations, dates, times, durations (ISO 8601), UUIDs,
    decimals and sets are understood too; what isn't is refused, and the error names its field.
    """

    content_type = "application/json"

    def encode(self, data: Any) -> bytes:
        """Data to compact JSON; see `Codec.encode`."""
        try:
            return _to_json(data)
        except RecursionError:
            raise EncodeError("not representable as JSON: nested too deeply") from None
        except (TypeError, ValueError) as error:
            raise EncodeError(f"not representable as JSON: {_fault(error, data)}") from error

    def decode(self, payload: bytes, content_type: str | None = None) -> Any:
        """JSON to data; see `Codec.decode`."""
        try:
            # RFC 8259: JSON between systems is UTF-8. `json` would guess UTF-16 and complain about that.
            return json.loads(payload.decode())
        except RecursionError:
            raise DecodeError("not JSON: nested too deeply", content_type=content_type) from None
        except ValueError as error:
            raise DecodeError(f"not JSON: {error}", content_type=content_type) from error


class FormatCodec(JsonCodec):
    """Payloads in the format of their contract; JSON where there is none.

    Args:
        format: `avro`, `protobuf` or `json`: what payloads have to be, and what they are taken for if a record
            doesn't say. None takes whatever the contract is.

    Raises:
        ConfigurationError: It is another.
    """

    def __init__(self, format: str | None = None) -> None:
        if format not in (None, *_FORMATS):
            raise ConfigurationError(f"codec is a Codec, or one of {', '.join(_FORMATS)}, not {format!r}")
        self.format = format


class Codecs:
    """Which codec a topic has.

    Args:
        setting: A codec or a format's name for all topics; a mapping from topics to them, `*` for all others;
            None for the contract's format.

    Attributes:
        default: For topics that aren't named.

    Raises:
        ConfigurationError: A format that nobody knows.
    """

    def __init__(self, setting: Codec | str | Mapping[str, Codec | str] | None = None) -> None:
        by_topic = dict(setting) if isinstance(setting, Mapping) else {"*": setting}
        made: dict[str, Codec] = {topic: _made(codec) for topic, codec in by_topic.items()}
        self.default = made.pop("*") if "*" in made else FormatCodec()
        self._by_topic = made

    def of(self, topic: str) -> Codec:
        """The codec of a topic."""
        return self._by_topic.get(topic, self.default) if self._by_topic else self.default


def _made(codec: Codec | str | None) -> Codec:
    return FormatCodec(codec) if codec is None or isinstance(codec, str) else codec


def format_of(codec: Codec) -> str | None:
    """The format that contracts are to write; None for their own, `own` if the codec does it without them."""
    return codec.format if isinstance(codec, FormatCodec) else "own"


class BytesCodec:
    """Payloads stay the bytes they are."""

    content_type = "application/octet-stream"

    def encode(self, data: Any) -> bytes:
        """Bytes pass through; see `Codec.encode`."""
        if isinstance(data, bytes | bytearray | memoryview):
            return bytes(data)
        raise EncodeError(f"BytesCodec takes bytes, not {type(data).__name__}")

    def decode(self, payload: bytes, content_type: str | None = None) -> Any:
        """Bytes pass through; see `Codec.decode`."""
        return payload


def _jsonable(value: Any) -> Any:
    dump = dump_of(type(value))
    if dump is not None:
        return dump(value, "json")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, Set):
        return _in_order(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


_JSON = json.JSONEncoder(default=_jsonable, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_LIKE_ANOTHER = re.compile(r'"[-\dtfn][-+.\drueals]*":')
"""A key that a number, a bool or None may have become, and few others: `{1: 2, "1": 3}` loses a value at every reader."""


def _to_json(data: Any) -> bytes:
    text = _JSON.encode(data)
    if _LIKE_ANOTHER.search(text) is not None:
        json.loads(text, object_pairs_hook=_apart)
    return text.encode()


def _apart(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("two of its keys are the same text")


def _in_order(values: Set[Any]) -> list[Any]:
    """A set as a list that is the same for equal sets, in every process."""
    if all(isinstance(value, str) for value in values) or all(type(value) is int for value in values):
        return sorted(values)
    return sorted(values, key=lambda value: json.dumps(value, default=_jsonable, sort_keys=True))


def duration_text(duration: timedelta) -> str:
    """A duration as ISO 8601 writes it, e.g. `P1DT2H0M3.5S`; this is what pydantic reads and writes."""
    sign, rest = ("-", -duration) if duration < timedelta(0) else ("", duration)
    minutes, seconds = divmod(rest.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = (
        f"{seconds}.{rest.microseconds:06d}".rstrip("0").rstrip(".") if rest.microseconds else f"{seconds}"
    )
    days = f"{rest.days}D" if rest.days else ""
    return f"{sign}P{days}T{hours}H{minutes}M{parts}S"


def _fault(error: Exception, data: Any) -> str:
    """Which field can't be written, and why; the value itself is never shown."""
    if "Circular" in str(error):
        return str(error)
    path, value = _culprit(data, (), _MAX_DEPTH)
    reason = str(error)
    if path:
        try:
            _to_json(value)
        except (TypeError, ValueError, RecursionError) as its_own:
            reason = str(its_own)
    if isinstance(error, UnicodeError):
        reason = "text with half of a surrogate pair"
    return f"{'.'.join(path)}: {reason}" if path else reason


def _culprit(value: Any, path: tuple[str, ...], depth: int) -> tuple[tuple[str, ...], Any]:
    """The innermost part of a value that can't be written, given that it can't."""
    if not isinstance(value, dict | list | tuple | str | float | int | None):
        try:
            value = _jsonable(value)
        except Exception:  # noqa: BLE001 - this is the one
            return path, value
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for name, part in parts if depth else ():
        if not _writable(part):
            return _culprit(part, (*path, str(name)), depth - 1)
    return path, value


def _writable(value: Any) -> bool:
    try:
        _to_json(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
