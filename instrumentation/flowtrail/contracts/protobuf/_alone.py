"""A message as a .proto file that imports nothing but what comes with Protobuf.

Messages and enums of the file's own package keep their names; those of each other package stand in a message
of that package's name, so that no two of them meet. What the message doesn't hold is left out. References are
written in full: programs that look for the one message that a file is about (AsyncAPI's parser does) find it by
the comment `@RootNode`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from flowtrail.contracts.protobuf._kinds import NAMES, proto_of
from flowtrail.contracts.protobuf._names import json_name_of, quoted

_OWN: Final = "google/protobuf/"
_OPTIONAL, _REQUIRED, _REPEATED = 1, 2, 3
_TEXT, _BYTES = 9, 12
_UNPACKED: Final = frozenset({_TEXT, 10, 11, _BYTES})
_LABELS: Final = {_OPTIONAL: "optional ", _REQUIRED: "required ", _REPEATED: "repeated "}
_LAST: Final = {536_870_912: "max", 2_147_483_648: "max"}


def alone(root: Any, removals: Mapping[tuple[str, int], str]) -> str:
    """The text of a file with one message and what it holds.

    Args:
        root: Descriptor of the message.
        removals: What `x-remove-after` says, by message and number; 0 is the message itself.
    """
    reached = _reached(root)
    imports = sorted({each.file.name for each in reached if each.file.name.startswith(_OWN)})
    reached = [each for each in reached if not each.file.name.startswith(_OWN)]
    # Of several languages the older one: it has a word for whatever the newer one says.
    proto3 = all(_is_proto3(each.file) for each in reached)
    writer = _Writer(root, reached, removals, proto3)
    lines = [f'syntax = "proto{3 if proto3 else 2}";']
    lines += [f"package {root.file.package};"] if root.file.package else []
    lines += [f'import "{name}";' for name in imports]
    return "\n".join([*lines, *writer.lines(), ""])


def stands_alone(root: Any, names: Collection[str]) -> bool:
    """Whether the file of a message is as good: it imports nothing else, and is about that message.

    Args:
        root: Descriptor of the message.
        names: Those by which the file's text calls types.
    """
    if any(not needed.name.startswith(_OWN) for needed in root.file.dependencies):
        return False
    return all(
        (each.name in names) is not (each.full_name == root.full_name)
        for each in _messages(root.file.message_types_by_name.values())
    )


def _messages(descriptors: Iterable[Any]) -> Iterator[Any]:
    for each in descriptors:
        if not _is_entry(each):
            yield each
            yield from _messages(each.nested_types)


def _reached(root: Any) -> list[Any]:
    """All messages and enums that a message holds, itself first; entries of maps aside."""
    found: dict[str, Any] = {}
    waiting = [root]
    while waiting:
        at = waiting.pop(0)
        if at.full_name in found:
            continue
        found[at.full_name] = at
        if at.file.name.startswith(_OWN):
            continue
        for field in getattr(at, "fields", ()):
            waiting += [each for each in (field.message_type, field.enum_type) if each is not None]
    return [each for each in found.values() if not _is_entry(each)]


def _is_entry(descriptor: Any) -> bool:
    return hasattr(descriptor, "fields") and bool(descriptor.GetOptions().map_entry)


def _is_proto3(file: Any) -> bool:
    return str(proto_of(file, "FileDescriptorProto").syntax) == "proto3"


def _around(descriptor: Any) -> list[Any]:
    """The messages that a message or an enum stands in, the outermost first, and itself."""
    outer = descriptor.containing_type
    return [*(() if outer is None else _around(outer)), descriptor]


class _Writer:
    """Writes messages and enums.

    Args:
        root: The message that it is about.
        reached: What is written whole.
        removals: See `alone`.
        proto3: In which language.
    """

    def __init__(
        self, root: Any, reached: list[Any], removals: Mapping[tuple[str, int], str], proto3: bool
    ) -> None:
        self._root = root
        self._reached = {each.full_name for each in reached}
        self._removals = removals
        self._proto3 = proto3
        self._shown = {part.full_name: part for each in reached for part in _around(each)}
        self._wrappers = self._wrapped()

    def _wrapped(self) -> dict[str, str]:
        """The message that stands for each other package."""
        own = self._root.file.package
        packages = dict.fromkeys(each.file.package for each in self._shown.values())
        taken = {each.name for each in self._shown.values() if each.file.package == own}
        found: dict[str, str] = {}
        for package in packages:
            if package != own:
                name = package.replace(".", "_") or "imported"
                while name in taken:
                    name += "_"
                taken.add(name)
                found[package] = name
        return found

    def lines(self) -> Iterator[str]:
        outer = [each for each in self._shown.values() if each.containing_type is None]
        for each in outer:
            if each.file.package not in self._wrappers:
                yield from self._type(each, "")
        for package, name in self._wrappers.items():
            yield f"message {name} {{"
            for each in outer:
                if each.file.package == package:
                    yield from self._type(each, "  ")
            yield "}"

    def _type(self, descriptor: Any, indent: str) -> Iterator[str]:
        if not hasattr(descriptor, "fields"):
            yield from self._enum(descriptor, indent)
            return
        if descriptor.full_name == self._root.full_name:
            yield f"{indent}// @RootNode"
        yield f"{indent}message {descriptor.name} {{{self._after(descriptor, 0)}"
        inside = f"{indent}  "
        for nested in (*descriptor.nested_types, *descriptor.enum_types):
            if nested.full_name in self._shown:
                yield from self._type(nested, inside)
        if descriptor.full_name in self._reached:
            yield from self._fields(descriptor, inside)
        yield f"{indent}}}"

    def _fields(self, descriptor: Any, indent: str) -> Iterator[str]:
        proto = proto_of(descriptor, "DescriptorProto")
        if proto.options.deprecated:
            yield f"{indent}option deprecated = true;"
        yield from _reserved(proto, indent, 1)
        for part in proto.extension_range:
            yield f"{indent}extensions {_range(part, 1)};"
        within = f".{descriptor.full_name}"
        entries = {f"{within}.{part.name}": part for part in proto.nested_type if part.options.map_entry}
        was_proto3 = _is_proto3(descriptor.file)
        groups = set[int]()
        for field in proto.field:
            if not field.HasField("oneof_index") or field.proto3_optional:
                yield self._field(descriptor, field, indent, self._label(field, was_proto3), entries)
            elif field.oneof_index not in groups:
                groups.add(field.oneof_index)
                yield f"{indent}oneof {proto.oneof_decl[field.oneof_index].name} {{"
                for member in proto.field:
                    if member.HasField("oneof_index") and member.oneof_index == field.oneof_index:
                        yield self._field(descriptor, member, f"{indent}  ", "", entries)
                yield f"{indent}}}"

    def _label(self, field: Any, was_proto3: bool) -> str:
        plain = was_proto3 and self._proto3 and field.label == _OPTIONAL and not field.proto3_optional
        return "" if plain else _LABELS[field.label]

    def _field(self, descriptor: Any, field: Any, indent: str, label: str, entries: Mapping[str, Any]) -> str:
        entry = entries.get(field.type_name)
        if entry is not None:
            key, value = (self._named(part) for part in entry.field)
            label, kind = "", f"map<{key}, {value}>"
        else:
            kind = self._named(field)
        options = ", ".join(self._options(descriptor, field))
        end = f" [{options}];" if options else ";"
        after = self._after(descriptor, field.number)
        return f"{indent}{label}{kind} {field.name} = {field.number}{end}{after}"

    def _named(self, field: Any) -> str:
        """The type of a field."""
        if field.type in NAMES:
            return NAMES[field.type]
        found = self._shown.get(field.type_name.removeprefix("."))
        wrapper = None if found is None else self._wrappers.get(found.file.package)
        if found is None or wrapper is None:
            return str(field.type_name)
        own = self._root.file.package
        path = ".".join(part.name for part in _around(found))
        return f".{own}.{wrapper}.{path}" if own else f".{wrapper}.{path}"

    def _options(self, descriptor: Any, field: Any) -> Iterator[str]:
        if field.options.deprecated:
            yield "deprecated = true"
        if field.options.HasField("packed"):
            yield f"packed = {str(field.options.packed).lower()}"
        elif not self._proto3 and _is_packed_without_saying(descriptor, field):
            yield "packed = true"
        if field.HasField("json_name") and field.json_name != json_name_of(field.name):
            yield f"json_name = {quoted(field.json_name)}"
        if field.HasField("default_value"):
            text = field.default_value
            # Those of bytes are escaped already.
            shown = {_TEXT: quoted(text), _BYTES: f'"{text}"'}
            yield f"default = {shown.get(field.type, text)}"

    def _enum(self, descriptor: Any, indent: str) -> Iterator[str]:
        proto = proto_of(descriptor, "EnumDescriptorProto")
        yield f"{indent}enum {descriptor.name} {{"
        for option in ("allow_alias", "deprecated"):
            if getattr(proto.options, option):
                yield f"{indent}  option {option} = true;"
        yield from _reserved(proto, f"{indent}  ", 0)
        for value in proto.value:
            mark = " [deprecated = true]" if value.options.deprecated else ""
            yield f"{indent}  {value.name} = {value.number}{mark};"
        yield f"{indent}}}"

    def _after(self, descriptor: Any, number: int) -> str:
        after = self._removals.get((descriptor.full_name, number))
        return "" if after is None else f" // x-remove-after: {after}"


def _is_packed_without_saying(descriptor: Any, field: Any) -> bool:
    return field.label == _REPEATED and field.type not in _UNPACKED and _is_proto3(descriptor.file)


def _reserved(proto: Any, indent: str, beyond: int) -> Iterator[str]:
    """What is reserved; the end of a message's range doesn't belong to it."""
    for part in proto.reserved_range:
        yield f"{indent}reserved {_range(part, beyond)};"
    for name in proto.reserved_name:
        yield f"{indent}reserved {quoted(name)};"


def _range(part: Any, beyond: int) -> str:
    last = _LAST.get(part.end + 1 - beyond, str(part.end - beyond))
    return str(part.start) if last == str(part.start) else f"{part.start} to {last}"
