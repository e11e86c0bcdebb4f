"""From a .proto file to its descriptor, as `protoc` would make it.

protoc and buf are programs of tens of megabytes, and contracts of a registry arrive as text in running
services. So the text is read here; names are resolved and the rest checked by the protobuf runtime itself.
Specification: https://protobuf.dev/reference/protobuf/proto3-spec/ and .../proto2-spec/
"""

from __future__ import annotations

from typing import Any, Final

from flowtrail._extras import load
from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts.protobuf import _rules as rules
from flowtrail.contracts.protobuf._enums import enum, ranges
from flowtrail.contracts.protobuf._kinds import SCALARS
from flowtrail.contracts.protobuf._lexing import Words
from flowtrail.contracts.protobuf._names import entry_of, fill_from_base64, is_source
from flowtrail.contracts.protobuf._options import Options, Own
from flowtrail.contracts.protobuf._services import service

_OPTIONAL, _REQUIRED, _REPEATED = 1, 2, 3
_MESSAGE = 11
_LABELS: Final = {"optional": _OPTIONAL, "required": _REQUIRED, "repeated": _REPEATED}
_OWN_NUMBERS = range(19_000, 20_000)


class File:
    """One file.

    Attributes:
        proto: Its `FileDescriptorProto`.
        lines: Lines where fields use names of types, and where files are imported, by name; of the first use.
        others: Likewise of names that services and extensions use.
        removals: What `x-remove-after` says, by full name of the message and number of the field; 0 is the
            message itself.

    Raises:
        MissingExtraError: protobuf isn't installed.
        SchemaError: It isn't proto2 or proto3; file, line, and what.
    """

    def __init__(self, path: str, name: str, text: str) -> None:
        library = load("google.protobuf.descriptor_pb2", "protobuf", "protobuf")
        self.proto: Any = library.FileDescriptorProto(name=path)
        self.lines: dict[str, int] = {}
        self.others: dict[str, int] = {}
        self.removals: dict[tuple[str, int], str] = {}
        self._words = Words(name, text if is_source(text) else "")
        self._options = Options(self._words)
        self._proto3 = self._says_syntax = False
        try:
            self._file() if is_source(text) else fill_from_base64(self.proto, text)
        except ValueError as error:
            raise SchemaError(f"{name}: {error}") from None
        except RecursionError:
            raise SchemaError(f"{name}: nested too deeply") from None

    @property
    def own_options(self) -> list[Own]:
        """Options that aren't Protobuf's own."""
        return self._options.own

    def at(self, line: int | None) -> str:
        """What messages call a place in it."""
        return f"{self._words.name}:{line}" if line else self._words.name

    def _file(self) -> None:
        words, proto = self._words, self.proto
        if words.next.text == "edition":
            words.wrong('editions aren\'t read: write syntax = "proto3" or "proto2"')
        if words.follows("syntax"):
            self._says_syntax = True
            words.expect("=")
            at = words.next
            proto.syntax = words.text("the syntax").decode("utf-8", "replace")
            if proto.syntax not in ("proto2", "proto3"):
                words.wrong(f"syntax {proto.syntax[:40]!r} is neither proto2 nor proto3", at)
            words.expect(";")
        self._proto3 = self._options.proto3 = proto.syntax == "proto3"
        if not self._proto3:
            proto.ClearField("syntax")
        while not words.ended:
            if not (words.follows(";") or self._options.statement(proto, proto.package)):
                self._thing()
        if said := rules.file_wrong(proto):
            words.wrong(said)

    def _thing(self) -> None:
        words, proto = self._words, self.proto
        word = words.take()
        if word.text == "package":
            if proto.package:
                words.wrong("a file has one package", word)
            proto.package = words.full_name("the package's name", absolute=False)
            words.expect(";")
        elif word.text == "import":
            self._import()
        elif word.text == "message":
            self._message(proto.message_type.add(), proto.package)
        elif word.text == "enum":
            enum(words, self._options, proto.enum_type.add(), proto.package)
        elif word.text == "service":
            self.others |= service(words, self._options, proto.service.add(), proto.package) | self.others
        elif word.text == "extend":
            self._extend(proto, proto.package)
        else:
            words.wrong(f"{word.text[:40]!r} does not begin a valid statement", word)

    def _import(self) -> None:
        words, proto = self._words, self.proto
        public = words.follows("public")
        weak = not public and words.follows("weak")
        line = words.next.line
        path = words.text("the file to import").decode("utf-8", "replace")
        if path in proto.dependency:
            words.wrong(f"{path!r:.100} is imported twice")
        proto.dependency.append(path)
        self.lines.setdefault(proto.dependency[-1], line)
        if public or weak:
            (proto.public_dependency if public else proto.weak_dependency).append(len(proto.dependency) - 1)
        words.expect(";")

    def _message(self, message: Any, around: str) -> None:
        words = self._words
        line = words.next.line
        message.name = words.name_of("the message's name")
        full = f"{around}.{message.name}" if around else message.name
        if line in words.removals:
            self.removals[full, 0] = words.removals[line]
        words.expect("{")
        while not words.follows("}"):
            word = words.next
            if word.kind == "end":
                words.wrong(f"message {message.name} is never closed", word)
            if not self._statement(message, full):
                self._field(message, full)
        if said := rules.message_wrong(message):
            words.wrong(said)
        _add_synthetic_oneofs(message)

    def _statement(self, message: Any, full: str) -> bool:
        """One thing of a message that is no field; a field may be of a type that is named like one."""
        words = self._words
        word = words.next.text
        if words.follows(";") or self._options.statement(message, full):
            return True
        if word not in ("message", "enum", "oneof", "reserved", "extensions", "extend", "group"):
            return False
        words.take()
        if word == "message":
            self._message(message.nested_type.add(), full)
        elif word == "enum":
            enum(words, self._options, message.enum_type.add(), full)
        elif word == "oneof":
            self._oneof(message, full)
        elif word in ("reserved", "extensions"):
            ranges(words, self._options, message, word, rules.FIELD_NUMBERS, full)
        elif word == "extend":
            self._extend(message, full)
        else:
            words.wrong("groups aren't read: use a message")
        return True

    def _oneof(self, message: Any, full: str) -> None:
        words = self._words
        message.oneof_decl.add(name=words.name_of("the oneof's name"))
        place = len(message.oneof_decl) - 1
        words.expect("{")
        while not words.follows("}"):
            if not (words.follows(";") or self._options.statement(message.oneof_decl[place], full)):
                self._field(message, full, place)

    def _extend(self, holder: Any, within: str) -> None:
        """Fields for another message; `holder` is what they stand in, a message or the file."""
        words = self._words
        at = words.next
        extendee = words.full_name("the message to extend")
        self.others.setdefault(extendee, at.line)
        words.expect("{")
        empty = True
        while not words.follows("}"):
            if words.follows(";"):
                continue
            empty = False
            field = holder.extension.add(extendee=extendee, label=_OPTIONAL)
            label = self._label(field)
            self._type(field, self.others)
            line = self._named(field, within)
            self.others.setdefault(f"{within}.{field.name}" if within else field.name, line)
            field.proto3_optional = self._proto3 and label == _OPTIONAL
            if not field.proto3_optional:
                field.ClearField("proto3_optional")
            if said := rules.extension_wrong(field):
                words.wrong(said, at._replace(line=line))
        if empty:
            words.wrong(f"extend {extendee[:100]} holds no field", at)

    def _field(self, message: Any, full: str, oneof: int | None = None) -> None:
        words = self._words
        field = message.field.add(label=_OPTIONAL)
        at = words.next
        label = self._label(field) if oneof is None else None
        if words.next.text == "map":
            if label is not None or oneof is not None:
                words.wrong("a map is neither optional, required nor repeated, and in no oneof", at)
            self._map(message, field)
        else:
            self._type(field, self.lines)
        line = self._named(field, full)
        if field.HasField("type_name") and field.type == _MESSAGE:
            message.nested_type[-1].name = field.type_name = entry_of(field.name)
        self.lines.setdefault(f"{full}={field.number}", line)
        if line in words.removals:
            self.removals[full, field.number] = words.removals[line]
        if oneof is not None:
            field.oneof_index = oneof
        field.proto3_optional = self._proto3 and label == _OPTIONAL
        if not field.proto3_optional:
            field.ClearField("proto3_optional")

    def _label(self, field: Any) -> int | None:
        """Whether a field is optional, required or repeated, if it says so."""
        words = self._words
        word = words.next
        label = _LABELS.get(word.text)
        if label is not None:
            words.take()
            field.label = label
        if label == _REQUIRED and self._proto3:
            words.wrong("proto3 knows no required fields", word)
        if label is None and not self._proto3 and word.text != "map":
            advice = (
                ""
                if self._says_syntax
                else ': write syntax = "proto3"; into the first line if it is of proto3'
            )
            words.wrong(f"a field of proto2 is optional, required or repeated{advice}", word)
        return label

    def _named(self, field: Any, full: str) -> int:
        """Name, number and options of a field; the line of its number."""
        words = self._words
        field.name = words.name_of("the field's name")
        words.expect("=")
        line = words.next.line
        field.number = words.number("the field's number")
        if field.number not in rules.FIELD_NUMBERS or field.number in _OWN_NUMBERS:
            words.wrong(f"{field.name}: {field.number} is not a valid field number")
        self._options.list(field, f"{full}.{field.name}")
        words.expect(";")
        return line

    def _type(self, field: Any, lines: dict[str, int]) -> None:
        words = self._words
        word = words.next
        name = words.full_name("a type")
        if name in SCALARS:
            field.type = SCALARS[name]
        elif name == "group":
            words.wrong("groups aren't read: use a message", word)
        else:
            field.type_name = name
            lines.setdefault(name, word.line)

    def _map(self, message: Any, field: Any) -> None:
        words = self._words
        words.take()
        words.expect("<")
        if words.next.text not in rules.MAP_KEYS:
            words.wrong(f"keys of a map are whole numbers, bool or string, not {words.next.text[:40]}")
        entry = message.nested_type.add()
        entry.options.map_entry = True
        for number, name in ((1, "key"), (2, "value")):
            self._type(entry.field.add(name=name, number=number, label=_OPTIONAL), self.lines)
            words.expect("," if number == 1 else ">")
        field.label, field.type, field.type_name = _REPEATED, _MESSAGE, "entry"


def _add_synthetic_oneofs(message: Any) -> None:
    """What `optional` means in proto3: a oneof of its own, behind all others."""
    taken = {part.name for part in (*message.field, *message.oneof_decl)}
    for field in message.field:
        if field.proto3_optional:
            name = f"_{field.name}"
            while name in taken:
                name = f"X{name}"
            taken.add(name)
            message.oneof_decl.add(name=name)
            field.oneof_index = len(message.oneof_decl) - 1
