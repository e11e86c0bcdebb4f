"""What a field is, asked in the same words whatever the runtime's version calls it."""

from __future__ import annotations

from typing import Any, Final

from flowtrail._extras import load

SCALARS: Final = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7, "bool": 8,
    "string": 9, "bytes": 12, "uint32": 13, "sfixed32": 15, "sfixed64": 16, "sint32": 17, "sint64": 18,
}  # fmt: skip
NAMES: Final = {number: name for name, number in SCALARS.items()}
RANGES: Final = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), range(-(2**31), 2**31)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), range(-(2**63), 2**63)),
    **dict.fromkeys(("uint32", "fixed32"), range(2**32)),
    **dict.fromkeys(("uint64", "fixed64"), range(2**64)),
}
"""What whole numbers can be; see also `values_of`."""
TIMESTAMP: Final = "google.protobuf.Timestamp"
NULL: Final = "google.protobuf.NullValue"
DURATION: Final = "google.protobuf.Duration"
WRAPPERS: Final = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_WITH_LIMITS: Final = frozenset({
    TIMESTAMP, DURATION, "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue",
})  # fmt: skip
_DEEPEST: Final = 100
"""How many messages within each other the runtime reads."""
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


def takes_none(field: Any) -> bool:
    """Whether None is a value of it, and not its absence."""
    named = field.message_type or field.enum_type
    return named is not None and named.full_name in ("google.protobuf.Value", NULL)


def shown(field: Any) -> str:
    """Its type, for lines."""
    if is_map(field):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return f"map<{shown(key)}, {shown(value)}>"
    named = field.message_type or field.enum_type
    return named.full_name if named is not None else NAMES.get(field.type, "group")


def values_of(field: Any) -> range | frozenset[int] | None:
    """What it can be, as numbers; None if that can't be said. A closed enum loses all that it doesn't declare."""
    enum = field.enum_type
    if enum is None:
        return range(2) if NAMES.get(field.type) == "bool" else RANGES.get(NAMES.get(field.type, ""))
    return frozenset(value.number for value in enum.values) if enum.is_closed else RANGES["int32"]


def names_of(enum: Any) -> dict[int, str]:
    """What its numbers are called: of several names of one, the first, as ProtoJSON and generated code have it."""
    return {value.number: value.name for value in reversed(enum.values)}


def proto_of(descriptor: Any, kind: str) -> Any:
    """A descriptor as data; `kind` is the name of its message, e.g. `DescriptorProto`."""
    proto = getattr(load("google.protobuf.descriptor_pb2", "protobuf", "protobuf"), kind)()
    descriptor.CopyToProto(proto)
    return proto


def has_limits(descriptor: Any) -> bool:
    """Whether a message may hold values that can be written, and not be read."""
    known: set[str] = set()
    waiting = [descriptor]
    while waiting:
        at = waiting.pop()
        if at.full_name in _WITH_LIMITS:
            return True
        if at.full_name not in known:
            known.add(at.full_name)
            waiting += [field.message_type for field in at.fields if field.message_type is not None]
    return False


def may_nest_too_deeply(descriptor: Any) -> bool:
    """Whether messages of a type can hold more messages within each other than are read; raises RecursionError."""
    depths: dict[str, int] = {}

    def depth_of(at: Any) -> int:
        known = depths.get(at.full_name)
        if known is None:
            depths[at.full_name] = _DEEPEST  # of one that holds itself
            inner = [depth_of(field.message_type) for field in at.fields if field.message_type is not None]
            known = depths[at.full_name] = 1 + max(inner, default=0)
        return known

    return depth_of(descriptor) >= _DEEPEST
