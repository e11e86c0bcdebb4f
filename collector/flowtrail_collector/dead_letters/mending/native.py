"""What Avro and Protobuf hold and JSON has no word for, as objects with one member: `{"$decimal": "12.50"}`."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

__all__ = ["BadValueError", "from_json", "to_json"]

_MAP = "$map"
_NAMES: tuple[tuple[type, str, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (bytes, "$bytes", lambda value: b64encode(value).decode(), lambda text: b64decode(text, validate=True)),
    (Decimal, "$decimal", str, Decimal),
    (datetime, "$datetime", datetime.isoformat, datetime.fromisoformat),
    (date, "$date", date.isoformat, date.fromisoformat),
    (time, "$time", time.isoformat, time.fromisoformat),
    (
        timedelta,
        "$microseconds",
        lambda span: span // timedelta(microseconds=1),
        lambda n: timedelta(microseconds=n),
    ),
    (UUID, "$uuid", str, UUID),
)


def _map_of(pairs: Any) -> dict[Any, Any]:
    if not isinstance(pairs, list):
        raise TypeError
    return {from_json(name): from_json(value) for name, value in pairs}


_READ: Mapping[str, Callable[[Any], Any]] = {
    **{name: read for _, name, _, read in _NAMES},
    "$float": float,
    _MAP: _map_of,
}


class BadValueError(Exception):
    """An object stands for no value; names its member."""


def to_json(data: Any) -> Any:
    """Decoded data as JSON has it."""
    if isinstance(data, Mapping):
        if all(isinstance(name, str) for name in data):
            return {name: to_json(value) for name, value in data.items()}
        return {_MAP: [[to_json(name), to_json(value)] for name, value in data.items()]}
    if isinstance(data, list | tuple):
        return [to_json(item) for item in data]
    if isinstance(data, float) and not math.isfinite(data):
        return {"$float": str(data)}
    for kind, name, write, _ in _NAMES:
        if isinstance(data, kind):
            return {name: write(data)}
    return data


def from_json(data: Any) -> Any:
    """The data that `to_json` made JSON of.

    Raises:
        BadValueError: A member such as `$decimal` holds something else.
    """
    if isinstance(data, list):
        return [from_json(item) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) == 1 and (read := _READ.get(name := next(iter(data)))) is not None:
        try:
            return read(data[name])
        except (ValueError, TypeError, ArithmeticError, AttributeError):
            raise BadValueError(f"{name} holds something else") from None
    return {name: from_json(value) for name, value in data.items()}
