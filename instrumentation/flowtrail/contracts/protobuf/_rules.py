"""What protoc refuses, and the runtime takes, or refuses in words of its own. Each says why, and nothing if it's fine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

from flowtrail.contracts.protobuf._lexing import Word

FIELD_NUMBERS: Final = range(1, 2**29)
VALUE_NUMBERS: Final = range(-(2**31), 2**31)
MAP_KEYS: Final = frozenset({
    "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "uint32", "sfixed32", "sfixed64",
    "sint32", "sint64",
})  # fmt: skip
_REPEATED: Final = 3
_BOOL, _STRING, _MESSAGE, _BYTES, _ENUM = 8, 9, 11, 12, 14
_UNSIGNED: Final = frozenset({4, 6, 7, 13})
_UNPACKED: Final = frozenset({_STRING, _MESSAGE, _BYTES})


def message_wrong(message: Any) -> str:
    """Of a `DescriptorProto`, but for what is nested in it."""
    taken: dict[int, str] = {}
    reserved = frozenset(message.reserved_name)
    for field in message.field:
        if field.number in taken:
            return f"{message.name}: {taken[field.number]} and {field.name} have the same number"
        taken[field.number] = field.name
        if field.name in reserved or any(
            part.start <= field.number < part.end for part in message.reserved_range
        ):
            return f"{message.name}: {field.name} = {field.number} is reserved"
        if any(part.start <= field.number < part.end for part in message.extension_range):
            return f"{message.name}: {field.name} = {field.number} is left to extensions"
    filled = {field.oneof_index for field in message.field if field.HasField("oneof_index")}
    for place, oneof in enumerate(message.oneof_decl):
        if place not in filled:
            return f"{message.name}: oneof {oneof.name} has no fields"
    ranges = [(part.start, part.end - 1) for part in (*message.reserved_range, *message.extension_range)]
    return _twice(message, ranges, "reserved, or left to extensions,")


def enum_wrong(enum: Any) -> str:
    """Of an `EnumDescriptorProto`."""
    taken: dict[int, str] = {}
    reserved = frozenset(enum.reserved_name)
    again = ""
    for value in enum.value:
        if value.number in taken:
            again = f"{enum.name}: {taken[value.number]} and {value.name} have the same number"
        taken.setdefault(value.number, value.name)
        if value.name in reserved or any(
            part.start <= value.number <= part.end for part in enum.reserved_range
        ):
            return f"{enum.name}: {value.name} = {value.number} is reserved"
    if again and not enum.options.allow_alias:
        return f"{again}, and nothing says allow_alias = true"
    if enum.options.allow_alias and not again:
        return f"{enum.name}: allow_alias, and no two values have the same number"
    return _twice(enum, [(part.start, part.end) for part in enum.reserved_range], "reserved")


def _twice(holder: Any, ranges: Iterable[tuple[int, int]], how: str) -> str:
    """What a message or an enum takes more than once."""
    for before, after in pairwise(sorted(ranges)):
        if after[0] <= before[1]:
            return f"{holder.name}: {after[0]} is {how} more than once"
    name, count = next(iter(Counter(holder.reserved_name).most_common(1)), ("", 0))
    return f"{holder.name}: {name!r:.60} is reserved more than once" if count > 1 else ""


def range_wrong(first: int, last: int, numbers: range) -> str:
    """Of a range of numbers that are taken."""
    if last < first:
        return f"{first} to {last} ends before it begins"
    if first in numbers and last in numbers:
        return ""
    what = "field" if numbers == FIELD_NUMBERS else "value"
    return f"{last if first in numbers else first} is no number of a {what}"


def option_wrong(holder: Any, name: str, value: Word, sign: str, *, proto3: bool) -> str:
    """Of an option: unknown ones are no matter of ours.

    Args:
        holder: What it is an option of; its type, if it is a field, is known.
        name: The option's.
        value: Its first word, behind the sign.
        sign: A minus, or nothing.
        proto3: Whether the file is.
    """
    if name == "json_name":
        return "" if value.kind == "text" else "json_name is a text, in quotes"
    if name == "default":
        return _default_wrong(holder, value, sign, proto3=proto3)
    option = holder.options.DESCRIPTOR.fields_by_name.get(name)
    if option is None:
        return ""
    if name == "packed" and (
        holder.label != _REPEATED or (holder.type in _UNPACKED and not holder.type_name)
    ):
        return f"{holder.name}: only lists of numbers can be packed"
    if option.type == _STRING:
        return "" if value.kind == "text" else f"{name} is a text, in quotes"
    if option.type == _BOOL:
        return "" if value.kind == "name" and value.text in ("true", "false") else f"{name} is true or false"
    if option.type == _ENUM:
        known = list(option.enum_type.values_by_name)
        return "" if value.kind == "name" and value.text in known else f"{name} is one of {', '.join(known)}"
    return ""


def _default_wrong(field: Any, value: Word, sign: str, *, proto3: bool) -> str:
    if proto3:
        return "proto3 knows no defaults"
    if field.label == _REPEATED:
        return f"{field.name}: a list has no default"
    if not field.type_name and field.type in (_STRING, _BYTES):
        return "" if value.kind == "text" else f"the default of {field.name} is a text, in quotes"
    if sign and not field.type_name and field.type in _UNSIGNED:
        return f"the default of {field.name} is not negative"
    return f"the default of {field.name} isn't text" if value.kind == "text" else ""
