"""What protoc refuses once all files are known, and the runtime takes: names that a file can't see, options of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from flowtrail.contracts.protobuf import _rules as rules
from flowtrail.contracts.protobuf._kinds import is_repeated
from flowtrail.contracts.protobuf._options import Own


def visible(file: Any) -> set[str]:
    """The files whose types a file may use: itself, those it imports, and what they import publicly."""
    found, waiting = {file.name}, list(file.dependencies)
    while waiting:
        at = waiting.pop()
        if at.name not in found:
            found.add(at.name)
            waiting += at.public_dependencies
    return found


def type_wrong(field: Any, seen: Collection[str]) -> str:
    """Of a field's type, known by now.

    Args:
        field: Its descriptor.
        seen: See `visible`.
    """
    named = field.message_type or field.enum_type
    if named is not None and named.file.name not in seen:
        return f"{named.full_name} is in {named.file.name}, which isn't imported"
    if field.message_type is None and (field.GetOptions().lazy or field.GetOptions().unverified_lazy):
        return f"{field.name}: only messages can be lazy"
    return ""


def uses_of(proto: Any) -> Iterator[tuple[str, str]]:
    """Names of types that the fields of a file use, as they are written, and full names of what they stand in."""
    waiting = [(message, proto.package) for message in proto.message_type]
    while waiting:
        message, around = waiting.pop()
        full = f"{around}.{message.name}" if around else message.name
        yield from ((field.type_name, full) for field in message.field if field.HasField("type_name"))
        waiting += [(nested, full) for nested in message.nested_type]


def name_wrong(pool: Any, name: str, within: str) -> str:
    """Of a name of several parts: what its first part means there, the nearest, has to hold the rest."""
    first, _, rest = name.partition(".")
    for scope in _around(within) if first and rest else ():
        if _message(pool, f"{scope}{first}") is not None:
            if _message(pool, f"{scope}{name}") or _enum(pool, f"{scope}{name}"):
                return ""
            return f"{name[:100]}: {first} means {scope}{first} here, which has no {rest[:100]}"
    return ""


def extension_wrong(field: Any, *, proto3: bool) -> str:
    """Of an extension, known by now."""
    extended = field.containing_type
    if proto3 and not (
        extended.file.name == "google/protobuf/descriptor.proto" and extended.name.endswith("Options")
    ):
        return f"{field.name}: proto3 extends nothing but options, as google.protobuf.FieldOptions"
    if not any(start <= field.number < end for start, end in extended.extension_ranges):
        return f"{field.name}: {extended.name} doesn't leave {field.number} to extensions"
    return ""


def fields_of(file: Any) -> Iterator[Any]:
    """All fields of a file."""
    waiting = list(file.message_types_by_name.values())
    while waiting:
        message = waiting.pop()
        yield from message.fields
        waiting += message.nested_types


def extensions_of(file: Any) -> Iterator[Any]:
    """All extensions that a file declares."""
    yield from file.extensions_by_name.values()
    waiting = list(file.message_types_by_name.values())
    while waiting:
        message = waiting.pop()
        yield from message.extensions
        waiting += message.nested_types


def option_wrong(pool: Any, own: Own) -> str:
    """Of an option that isn't Protobuf's."""
    held, name = own.options, f"({own.path[0][0][:100]})"
    option: Any = None
    for part, is_own in own.path:
        if option is not None and option.message_type is None:
            return f"{name}: {option.name} is no message, and has no parts"
        if is_own:
            option = _extension(pool, part, own.within)
            if option is None:
                return f"there is no option ({part[:100]}): import the file that declares it"
            if option.containing_type.full_name != held:
                return f"({part}) is for {option.containing_type.name}, not for {held.rpartition('.')[2]}"
        else:
            option = option.message_type.fields_by_name.get(part)
            if option is None:
                return f"{name}: there is no field {part[:60]!r}"
        held = "" if option.message_type is None else option.message_type.full_name
    if own.again and not is_repeated(option):
        return f"{name} is said twice"
    return rules.value_wrong(option, name, own.value, own.sign)


def _extension(pool: Any, name: str, within: str) -> Any:
    """What a name means within a scope: the nearest."""
    around = [""] if name.startswith(".") else _around(within)
    plain = name.removeprefix(".")
    found = (_known(pool.FindExtensionByName, f"{scope}{plain}") for scope in around)
    return next((each for each in found if each is not None), None)


def _around(within: str) -> list[str]:
    """What may stand in front of a name within a scope, the innermost first."""
    parts = within.split(".") if within else []
    return [*(".".join(parts[:count]) + "." for count in range(len(parts), 0, -1)), ""]


def _message(pool: Any, name: str) -> Any:
    return _known(pool.FindMessageTypeByName, name)


def _enum(pool: Any, name: str) -> Any:
    return _known(pool.FindEnumTypeByName, name)


def _known(find: Callable[[str], Any], name: str) -> Any:
    try:
        return find(name)
    except KeyError:
        return None
