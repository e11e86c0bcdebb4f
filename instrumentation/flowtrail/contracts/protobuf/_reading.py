"""From messages to data: plain dictionaries, with what Python has for times and durations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from google.protobuf import json_format, message_factory

from flowtrail.contracts._values import later
from flowtrail.contracts.protobuf._kinds import (
    DURATION,
    TIMESTAMP,
    WRAPPERS,
    has_presence,
    is_map,
    is_repeated,
    names_of,
)

Read = Callable[[Any], Any]


class Reader:
    """Makes the functions from messages to data."""

    def __init__(self) -> None:
        self._made: dict[str, list[Read]] = {}

    def message(self, descriptor: Any) -> Read:
        """The function for a message type; see `ProtobufDefinition.decode` for what comes of it."""
        known = self._made.get(descriptor.full_name)
        if known is None:
            known = self._made[descriptor.full_name] = []
            known.append(self._message(descriptor))
        return known[0] if known else later(known)

    def _message(self, descriptor: Any) -> Read:
        if special := _SPECIAL.get(descriptor.full_name):
            return special
        parts = [(field.name, self._field(field), _absence(field)) for field in descriptor.fields]
        # A field may be named like a method, which an object then doesn't have.
        has_field = message_factory.GetMessageClass(descriptor).HasField

        def read(message: Any) -> dict[str, Any]:
            made: dict[str, Any] = {}
            for name, value_of, absence in parts:
                if absence is None or has_field(message, name):
                    value = getattr(message, name)
                    made[name] = value if value_of is None else value_of(value)
                elif absence:
                    made[name] = absence[0]
            return made

        return read

    def _field(self, field: Any) -> Read | None:
        """How a field's value becomes data; None if it is data already."""
        if is_map(field):
            inner = self._one(field.message_type.fields_by_name["value"])
            if inner is None:
                return dict
            return lambda value: {name: inner(item) for name, item in value.items()}
        one = self._one(field)
        if is_repeated(field):
            return list if one is None else lambda value: [one(item) for item in value]
        return one

    def _one(self, field: Any) -> Read | None:
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is not None:
            names = names_of(field.enum_type)
            return lambda number: names.get(number, number)
        return None


def _absence(field: Any) -> tuple[Any, ...] | None:
    """None for what is always there; else the default that it has while it is absent, if it has one."""
    if is_repeated(field) or not has_presence(field):
        return None
    if not field.has_default_value:
        return ()
    value = field.default_value
    return (names_of(field.enum_type)[value] if field.enum_type is not None else value,)


def completed(descriptor: Any, data: Any) -> Any:
    """Data with the defaults of what is absent, which is what reading a message gives."""
    if not isinstance(data, Mapping) or descriptor.full_name in _SPECIAL:
        return data
    full = dict(data)
    for field in descriptor.fields:
        if field.name in full:
            full[field.name] = _completed_field(field, full[field.name])
            continue
        absence = _absence(field)
        if absence:
            full[field.name] = absence[0]
        elif absence is None:
            full[field.name] = _implicit(field)
    return full


def _completed_field(field: Any, value: Any) -> Any:
    if is_map(field):
        inner = field.message_type.fields_by_name["value"].message_type
        if inner is None or not isinstance(value, Mapping):
            return value
        return {name: completed(inner, item) for name, item in value.items()}
    if field.message_type is None:
        return value
    if is_repeated(field) and isinstance(value, list):
        return [completed(field.message_type, item) for item in value]
    return completed(field.message_type, value)


def _implicit(field: Any) -> Any:
    if is_map(field):
        return {}
    if is_repeated(field):
        return []
    return field.enum_type.values[0].name if field.enum_type is not None else field.default_value


def _json(message: Any) -> Any:
    return json_format.MessageToDict(message)


_SPECIAL: Mapping[str, Read] = {
    TIMESTAMP: lambda message: message.ToDatetime(tzinfo=UTC),
    DURATION: lambda message: message.ToTimedelta(),
    **dict.fromkeys(WRAPPERS, lambda message: message.value),
    **dict.fromkeys((f"google.protobuf.{kind}" for kind in ("Struct", "Value", "ListValue")), _json),
}
