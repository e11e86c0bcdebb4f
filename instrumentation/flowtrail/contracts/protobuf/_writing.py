"""From data to messages: compiled once per message type, naming whatever doesn't fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from google.protobuf import message_factory
from google.protobuf.message import DecodeError, EncodeError, Message

from flowtrail.contracts._scalars import double, single, symbol, text, whole
from flowtrail.contracts._values import content_of, fields_of, later
from flowtrail.contracts._violations import IS_NULL_IN_PROTOBUF, WrongError, wrong
from flowtrail.contracts.protobuf._kinds import (
    DURATION,
    NAMES,
    NULL,
    RANGES,
    TIMESTAMP,
    WRAPPERS,
    has_limits,
    has_presence,
    is_map,
    is_repeated,
    is_required,
    takes_none,
)
from flowtrail.contracts.protobuf._missing import missing_of
from flowtrail.contracts.protobuf._reading import Reader

Build = Callable[[Any], Any]
Copied = Callable[[Any, Message, bool], Any]
_LONGEST = timedelta(seconds=315_576_000_000)
# Written once: `list | tuple` in a test makes a new type for each value.
_LISTS, _BYTES = (list, tuple, Set), (bytes, bytearray, memoryview)


class Builder:
    """Makes the functions from data to messages; they raise `WrongError`.

    Args:
        closed: Whether fields that aren't declared are refused.
    """

    def __init__(self, *, closed: bool) -> None:
        self._closed = closed
        self._made: dict[str, list[Build]] = {}
        self._reader = Reader()
        self._reads: dict[str, Build | None] = {}

    def message(self, descriptor: Any) -> Build:
        """The function for a message type."""
        return partial(_whole, message_factory.GetMessageClass(descriptor), self._content(descriptor))

    def _content(self, descriptor: Any) -> Build:
        """Likewise, for one within another: a dictionary will do, which the runtime makes a message of in C."""
        known = self._made.get(descriptor.full_name)
        if known is None:
            known = self._made[descriptor.full_name] = []
            known.append(self._message(descriptor))
        # A message that holds itself: its function is there when it is called.
        return known[0] if known else later(known)

    def _message(self, descriptor: Any) -> Build:
        kind = message_factory.GetMessageClass(descriptor)
        if special := _special(descriptor, kind, self._copied):
            return special
        parts = [(field.name, self._field(field), has_presence(field), takes_none(field), is_required(field))
                 for field in descriptor.fields]  # fmt: skip
        oneofs = [
            (oneof.name, [field.name for field in oneof.fields])
            for oneof in descriptor.oneofs
            if len(oneof.fields) > 1
        ]
        names = frozenset(descriptor.fields_by_name)
        return partial(_built, kind, parts, oneofs, names, self._closed, self._copied)

    def _field(self, field: Any) -> Build:
        if is_map(field):
            key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
            nested = value.message_type
            return partial(_map, self._one(key), self._one(value) if nested is None else self.message(nested))
        return partial(_list, self._one(field)) if is_repeated(field) else self._one(field)

    def _one(self, field: Any) -> Build:
        if field.message_type is not None:
            return self._content(field.message_type)
        if field.enum_type is not None:
            values = {value.name: value.number for value in field.enum_type.values}
            build = partial(_enum, values, frozenset(values.values()), not field.enum_type.is_closed)
            return partial(_null, build) if field.enum_type.full_name == NULL else build
        name = NAMES[field.type]
        limits = RANGES.get(name)
        return _PLAIN[name] if limits is None else partial(whole, name, limits.start, limits.stop)

    def _copied(self, kind: Any, value: Message, closed: bool) -> Any:
        """A message of a generated class, as one of ours."""
        made, descriptor = _converted(kind, value, closed), kind.DESCRIPTOR
        name = descriptor.full_name
        if name not in self._reads:
            self._reads[name] = self._reader.message(descriptor) if has_limits(descriptor) else None
        read = self._reads[name]
        if read is not None:
            try:
                read(made)
            except (ValueError, OverflowError):
                raise wrong("a time or a number in it is out of range") from None
        return made


def _whole(kind: Any, content: Build, value: Any) -> Any:
    made = content(value)
    return kind(**made) if type(made) is dict else made


def _built(
    kind: Any,
    parts: list[tuple[str, Build, bool, bool, bool]],
    oneofs: list[tuple[str, list[str]]],
    names: frozenset[str],
    closed: bool,
    copied: Copied,
    value: Any,
) -> Any:
    if isinstance(value, Message):
        return copied(kind, value, closed)
    given_as, value = value, fields_of(value)
    if value is None:
        raise wrong("type should be message")
    made: dict[str, Any] = {}
    found: list[tuple[tuple[str, ...], str]] = []
    for name, build, presence, null, required in parts:
        given = value.get(name)
        # A model has no other way to leave a field out.
        if given is None and (name not in value or (presence and not (null and value is given_as))):
            if required:
                found.append(((name,), "required"))
            continue
        try:
            made[name] = build(given)
        except WrongError as error:
            found += error.within(name, IS_NULL_IN_PROTOBUF if given is None else "")
    for oneof, members in oneofs:
        if sum(name in made for name in members) > 1:
            found.append(((oneof,), f"only one of {', '.join(members)} may be set"))
    if closed and not names.issuperset(value):
        found += [((str(name)[:120],), "not in the contract") for name in value if name not in names]
    if found:
        raise WrongError(found)
    return made


def _converted(kind: Any, value: Message, closed: bool) -> Any:
    theirs = type(value)
    if theirs.DESCRIPTOR.full_name != kind.DESCRIPTOR.full_name:
        raise wrong(f"type should be {kind.DESCRIPTOR.full_name}")
    try:
        # First: where the runtime can't write a message, it looks for what is missing, which may end the process.
        lacks = () if theirs.IsInitialized(value) else missing_of(value)
        if not lacks:
            made = kind.FromString(theirs.SerializePartialToString(value))
            lacks = () if kind.IsInitialized(made) else missing_of(made)  # their class may demand less
    except (DecodeError, EncodeError, RecursionError):
        raise wrong("nested too deeply") from None
    if lacks:
        raise WrongError([(path, "required") for path in lacks])
    if closed:
        size = kind.ByteSize(made)
        kind.DiscardUnknownFields(made)
        if kind.ByteSize(made) != size:
            raise wrong("fields that are not in the contract")
    return made


def _special(descriptor: Any, kind: Any, copied: Copied) -> Build | None:
    name = descriptor.full_name
    if name == TIMESTAMP:
        return partial(_timestamp, kind, copied)
    if name == DURATION:
        return partial(_duration, kind, copied)
    if name in WRAPPERS:
        field = descriptor.fields_by_name["value"]
        return partial(_wrapped, kind, copied, Builder(closed=True)._one(field))
    if name in ("google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"):
        return partial(_anything, kind, copied)
    return None


def _timestamp(kind: Any, copied: Copied, value: Any) -> Any:
    if isinstance(value, Message):
        return copied(kind, value, True)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise wrong("type should be a datetime with a time zone")
    made = kind()
    try:
        made.FromDatetime(value)
    except (ValueError, OverflowError):
        raise wrong("out of the range of Timestamp: the years 1 to 9999 in UTC") from None
    return made


def _duration(kind: Any, copied: Copied, value: Any) -> Any:
    if isinstance(value, Message):
        return copied(kind, value, True)
    if not isinstance(value, timedelta):
        raise wrong("type should be a timedelta")
    if abs(value) > _LONGEST:
        raise wrong("out of the range of Duration: about 10,000 years")
    made = kind()
    made.FromTimedelta(value)
    return made


def _wrapped(kind: Any, copied: Copied, build: Build, value: Any) -> Any:
    return copied(kind, value, True) if isinstance(value, Message) else kind(value=build(value))


def _anything(kind: Any, copied: Copied, value: Any) -> Any:
    from google.protobuf import json_format

    if isinstance(value, Message):
        return copied(kind, value, True)
    try:
        return json_format.ParseDict(_json(value), kind())
    except (json_format.ParseError, TypeError, ValueError, AttributeError):
        raise wrong("should be what JSON can hold") from None


def _json(value: Any) -> Any:
    """A value that JSON can hold, and doubles."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int | float):
        if not math.isfinite(double(value)):
            raise wrong("NaN and infinities are no numbers of JSON")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise wrong("should be what JSON can hold")
        return dict(zip(value, _each(_json, value.items()), strict=True))
    if isinstance(value, list | tuple):
        return _each(_json, enumerate(value))
    raise wrong("should be what JSON can hold")


def _list(build: Build, value: Any) -> list[Any]:
    if not isinstance(value, _LISTS) and not isinstance(value := content_of(value), _LISTS):
        raise wrong("type should be repeated")
    return _each(build, enumerate(value))


def _map(key: Build, build: Build, value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping) and not isinstance(value := content_of(value), Mapping):
        raise wrong("type should be map")
    made = dict(zip([key(name) for name in value], _each(build, value.items()), strict=True))
    if len(made) != len(value):
        raise wrong("two of its keys are the same")
    return made


def _each(build: Build, items: Any) -> list[Any]:
    made: list[Any] = []
    found: list[tuple[tuple[str, ...], str]] = []
    for place, item in items:
        try:
            made.append(build(item))
        except WrongError as error:
            found += error.within(place, IS_NULL_IN_PROTOBUF if item is None else "")
    if found:
        raise WrongError(found)
    return made


def _enum(values: Mapping[str, int], numbers: frozenset[int], opened: bool, value: Any) -> int:
    if type(value) is not str and type(value) is not int:
        value = content_of(symbol(values, value))
    number = values.get(value) if isinstance(value, str) else value
    if type(number) is not int or not (number in numbers or (opened and -(2**31) <= number < 2**31)):
        raise wrong("should be one of the enum's values")
    return number


def _null(build: Build, value: Any) -> int:
    return 0 if value is None else int(build(value))


def _bool(value: Any) -> bool:
    if value is not True and value is not False:
        raise wrong("type should be bool")
    return value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, _BYTES):
        raise wrong("type should be bytes")
    return bytes(value)


_PLAIN: Mapping[str, Build] = {
    "bool": _bool, "double": double, "float": single, "string": text, "bytes": _bytes,
}  # fmt: skip
