"""What a field is, asked in the same words whatever the runtime's version calls it."""

from __future__ import annotations

from typing import Any, Final

from flowtrail.contracts.protobuf._grammar import SCALARS

NAMES: Final = {number: name for name, number in SCALARS.items()}
TIMESTAMP: Final = "google.protobuf.Timestamp"
DURATION: Final = "google.protobuf.Duration"
WRAPPERS: Final = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_REPEATED: Final = 3
_REQUIRED: Final = 2


def is_repeated(field: Any) -> bool:
    """Whether it is a list or a map."""
    found = getattr(field, "is_repeated", None)
    return bool(field.label == _REPEATED if found is None else found)


def is_required(field: Any) -> bool:
    """Whether proto2 demands it."""
    found = getattr(field, "is_required", None)
    return bool(field.label == _REQUIRED if found is None else found)


def is_map(field: Any) -> bool:
    """Whether it is a map, which is a list of entries on the wire."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def has_presence(field: Any) -> bool:
    """Whether it can be absent, other than by having its default value."""
    return bool(field.has_presence)


def shown(field: Any) -> str:
    """Its type, for lines."""
    if is_map(field):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return f"map<{shown(key)}, {shown(value)}>"
    named = field.message_type or field.enum_type
    return named.full_name if named is not None else NAMES.get(field.type, "group")


def missing_of(message: Any) -> list[str]:
    """Required fields that a message lacks."""
    return list(message.FindInitializationErrors())
