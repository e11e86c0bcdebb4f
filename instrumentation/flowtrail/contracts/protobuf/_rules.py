"""What protoc refuses, and the runtime takes, or refuses in words of its own. Each says why, and nothing if it's fine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Final

from flowtrail.contracts.protobuf._kinds import NAMES, RANGES
from flowtrail.contracts.protobuf._lexing import Word, whole

FIELD_NUMBERS: Final = range(1, 2**29)
VALUE_NUMBERS: Final = range(-(2**31), 2**31)
MAP_KEYS: Final = frozenset({
    "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "uint32", "sfixed32", "sfixed64",
    "sint32", "sint64",
})  # fmt: skip
_REPEATED: Final = 3
_BOOL, _STRING, _MESSAGE, _BYTES, _ENUM = 8, 9, 11, 12, 14
_UNSIGNED: Final = frozenset({4, 6, 7, 13})
_LONG: Final = frozenset({3, 4, 6, 16, 18})
_REQUIRED: Final = 2
_UNPACKED: Final = frozenset({_STRING, _MESSAGE, _BYTES})


def file_wrong(file: Any) -> str:
    """Of a `FileDescriptorProto`, but for what is in its types."""
    return _said_twice("the file", (*file.message_type, *file.service, *file.extension), file.enum_type)


def _said_twice(what: str, parts: Iterable[Any], enums: Iterable[Any]) -> str:
    """Names that several things of one scope have; values of an enum stand beside it, not in it."""
    names = [part.name for part in parts]
    for enum in enums:
        names += [enum.name, *(value.name for value in enum.value)]
    name, count = next(iter(Counter(names).most_common(1)), ("", 0))
    return f"{what}: {name[:100]} is declared more than once" if count > 1 else ""


def message_wrong(message: Any) -> str:
    """Of a `DescriptorProto`, but for what is nested in it."""
    parts = (*message.field, *message.oneof_decl, *message.nested_type, *message.extension)
    if said := _said_twice(message.name, parts, message.enum_type):
        return said
    if message.options.message_set_wire_format and not message.extension_range:
        return f"{message.name}: message_set_wire_format, and no numbers are left to extensions"
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


def extension_wrong(field: Any) -> str:
    """Of a `FieldDescriptorProto` that another message is extended by."""
    if field.label == _REQUIRED:
        return f"{field.name}: an extension can't be required"
    return f"{field.name}: an extension has no json_name" if field.HasField("json_name") else ""


def enum_wrong(enum: Any, *, proto3: bool) -> str:
    """Of an `EnumDescriptorProto`."""
    if not enum.value:
        return f"enum {enum.name} has no values"
    if proto3 and (said := _same_in_json(enum)):
        return said
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


def _same_in_json(enum: Any) -> str:
    """Values that generated code calls the same, without the enum's name in front."""
    taken: dict[str, Any] = {}
    for value in enum.value:
        short = _without(enum.name, value.name)
        plain = "".join(part.capitalize() for part in short.split("_"))
        other = taken.setdefault(plain, value)
        if other.number != value.number:
            return f"{enum.name}: without the enum's name, {other.name} and {value.name} are the same"
    return ""


def _without(enum: str, value: str) -> str:
    """A value's name behind the enum's, whatever the case and the underscores; as it is if nothing is left."""
    prefix, at = enum.replace("_", "").lower(), 0
    for place, char in enumerate(value):
        if at == len(prefix):
            return value[place:].strip("_") or value
        if char != "_":
            if char.lower() != prefix[at]:
                return value
            at += 1
    return value


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
    """Of an option of Protobuf's own.

    Args:
        holder: What it is an option of; its type, if it is a field, is known.
        name: The option's.
        value: Its first word, behind the sign.
        sign: A minus, or nothing.
        proto3: Whether the file is.
    """
    is_field = hasattr(holder, "label")
    if is_field and name == "json_name":
        return "" if value.kind == "text" else "json_name is a text, in quotes"
    if is_field and name == "default":
        return _default_wrong(holder, value, sign, proto3=proto3)
    known = holder.options.DESCRIPTOR.fields_by_name
    first = name.partition(".")[0]
    if first == "features":
        return "features are for editions, which aren't read"
    if first not in known or first == "uninterpreted_option":
        near = get_close_matches(name, known, 1)
        there = f"did you mean {near[0]}?" if near else "one of your own stands in brackets"
        return f"there is no option {name[:60]!r} here: {there}"
    if name != first:
        return f"{first} has no parts"
    if name == "map_entry":
        return "map_entry isn't for writing: use map<...>"
    return (_unfit(holder, name) if is_field else "") or value_wrong(known[name], name, value, sign)


def _unfit(field: Any, name: str) -> str:
    """Options that suit only some types of fields; what a name stands for isn't known yet."""
    if name == "packed" and (field.label != _REPEATED or (field.type in _UNPACKED and not field.type_name)):
        return f"{field.name}: only lists of numbers can be packed"
    if name == "jstype" and (field.type_name or field.type not in _LONG):
        return f"{field.name}: jstype is for whole numbers of 64 bits"
    if name in ("lazy", "unverified_lazy") and not field.type_name:
        return f"{field.name}: only messages can be {name}"
    return ""


def value_wrong(option: Any, name: str, value: Word, sign: str) -> str:
    """Of an option's value.

    Args:
        option: Its `FieldDescriptor`.
        name: What it is called.
        value: The first word, behind the sign.
        sign: A minus, or nothing.
    """
    if option.type == _MESSAGE:
        return "" if value.text == "{" and value.kind == "sign" else f"{name} is a message: {{ ... }}"
    if option.type in (_STRING, _BYTES):
        return "" if value.kind == "text" else f"{name} is a text, in quotes"
    if option.type == _BOOL:
        return "" if value.kind == "name" and value.text in ("true", "false") else f"{name} is true or false"
    if option.type == _ENUM:
        known = list(option.enum_type.values_by_name)
        fits = value.kind == "name" and value.text in known
        return "" if fits else f"{name} is one of {', '.join(known)[:200]}"
    return _number_wrong(option.type, name, value, sign)


def _number_wrong(kind: int, name: str, value: Word, sign: str) -> str:
    limits = RANGES.get(NAMES[kind])
    if limits is None:
        fits = value.kind == "number" or value.text in ("inf", "nan")
        return "" if fits else f"{name} is a number"
    try:
        number = int(f"{sign}{whole(value.text)}") if value.kind == "number" else None
    except ValueError:
        number = None
    return "" if number is not None and number in limits else f"{name} is a whole number of {NAMES[kind]}"


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
