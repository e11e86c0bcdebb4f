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
from flowtrail.contracts.protobuf._lexing import Words
from flowtrail.contracts.protobuf._names import default_text, entry_of, fill_from_base64, is_source

SCALARS: Final = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7, "bool": 8,
    "string": 9, "bytes": 12, "uint32": 13, "sfixed32": 15, "sfixed64": 16, "sint32": 17, "sint64": 18,
}  # fmt: skip
_OPTIONAL, _REQUIRED, _REPEATED = 1, 2, 3
_MESSAGE = 11
_LABELS: Final = {"optional": _OPTIONAL, "required": _REQUIRED, "repeated": _REPEATED}
_OWN_NUMBERS = range(19_000, 20_000)


class File:
    """One file.

    Attributes:
        proto: Its `FileDescriptorProto`.
        lines: Lines where names of types are used, by name; of the first use.
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
        self.removals: dict[tuple[str, int], str] = {}
        self._words = Words(name, text if is_source(text) else "")
        self._proto3 = False
        try:
            self._file() if is_source(text) else fill_from_base64(self.proto, text)
        except ValueError as error:
            raise SchemaError(f"{name}: {error}") from None
        except RecursionError:
            raise SchemaError(f"{name}: nested too deeply") from None

    def _file(self) -> None:
        words, proto = self._words, self.proto
        if words.next.text == "edition":
            words.wrong('editions aren\'t read: write syntax = "proto3" or "proto2"')
        if words.follows("syntax"):
            words.expect("=")
            said = words.next
            proto.syntax = words.text("the syntax").decode("utf-8", "replace")
            if proto.syntax not in ("proto2", "proto3"):
                words.wrong(f"syntax {proto.syntax[:40]!r} is neither proto2 nor proto3", said)
            words.expect(";")
        self._proto3 = proto.syntax == "proto3"
        if not self._proto3:
            proto.ClearField("syntax")
        while not words.ended:
            word = words.take()
            if word.text == "package":
                proto.package = words.full_name("the package's name")
                words.expect(";")
            elif word.text == "import":
                self._import()
            elif word.text == "option":
                self._option(proto)
                words.expect(";")
            elif word.text == "message":
                self._message(proto.message_type.add(), proto.package)
            elif word.text == "enum":
                self._enum(proto.enum_type.add())
            elif word.text in ("service", "extend"):
                words.full_name(f"the name of what to {word.text}")
                words.skip_block()
            elif word.text != ";":
                words.wrong(f"{word.text[:40]!r} does not begin a valid statement", word)

    def _import(self) -> None:
        words, proto = self._words, self.proto
        public, weak = words.follows("public"), words.follows("weak")
        line = words.next.line
        proto.dependency.append(words.text("the file to import").decode("utf-8", "replace"))
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
        self._synthetic_oneofs(message)
        if said := rules.message_wrong(message):
            words.wrong(said)

    def _statement(self, message: Any, full: str) -> bool:
        """One thing of a message that is no field; a field may be of a type that is named like one."""
        words = self._words
        word = words.next.text
        if words.follows(";"):
            return True
        if word not in ("message", "enum", "oneof", "option", "reserved", "extensions", "extend", "group"):
            return False
        words.take()
        if word == "message":
            self._message(message.nested_type.add(), full)
        elif word == "enum":
            self._enum(message.enum_type.add())
        elif word == "oneof":
            self._oneof(message, full)
        elif word == "option":
            self._option(message)
            words.expect(";")
        elif word in ("reserved", "extensions"):
            self._ranges(message, word, rules.FIELD_NUMBERS)
        elif word == "extend":
            words.full_name("the message to extend")
            words.skip_block()
        else:
            words.wrong("groups aren't read: use a message")
        return True

    def _oneof(self, message: Any, full: str) -> None:
        words = self._words
        message.oneof_decl.add(name=words.name_of("the oneof's name"))
        place = len(message.oneof_decl) - 1
        words.expect("{")
        while not words.follows("}"):
            if words.follows("option"):
                self._option(message.oneof_decl[place])
                words.expect(";")
            elif not words.follows(";"):
                self._field(message, full, place)

    def _field(self, message: Any, full: str, oneof: int | None = None) -> None:
        words = self._words
        field = message.field.add(label=_OPTIONAL)
        word = words.next
        label = _LABELS.get(word.text) if oneof is None else None
        if label is not None:
            words.take()
            field.label = label
        if label == _REQUIRED and self._proto3:
            words.wrong("proto3 knows no required fields", word)
        if label is None and oneof is None and not self._proto3 and word.text != "map":
            words.wrong("a field of proto2 is optional, required or repeated", word)
        if words.next.text == "map":
            if label is not None or oneof is not None:
                words.wrong("a map is neither optional, required nor repeated, and in no oneof", word)
            self._map(message, field)
        else:
            self._type(field)
        field.name = words.name_of("the field's name")
        if field.HasField("type_name") and field.type == _MESSAGE:
            message.nested_type[-1].name = field.type_name = entry_of(field.name)
        words.expect("=")
        line = words.next.line
        field.number = words.number("the field's number")
        self.lines.setdefault(f"{full}={field.number}", line)
        if field.number not in rules.FIELD_NUMBERS or field.number in _OWN_NUMBERS:
            words.wrong(f"{field.name}: {field.number} is not a valid field number")
        if words.follows("["):
            self._options(field)
        words.expect(";")
        if line in words.removals:
            self.removals[full, field.number] = words.removals[line]
        if oneof is not None:
            field.oneof_index = oneof
        field.proto3_optional = self._proto3 and label == _OPTIONAL
        if not field.proto3_optional:
            field.ClearField("proto3_optional")

    def _type(self, field: Any) -> None:
        words = self._words
        word = words.next
        name = words.full_name("a type")
        if name in SCALARS:
            field.type = SCALARS[name]
        elif name == "group":
            words.wrong("groups aren't read: use a message", word)
        else:
            field.type_name = name
            self.lines.setdefault(name, word.line)

    def _map(self, message: Any, field: Any) -> None:
        words = self._words
        words.take()
        words.expect("<")
        if words.next.text not in rules.MAP_KEYS:
            words.wrong(f"keys of a map are whole numbers, bool or string, not {words.next.text[:40]}")
        entry = message.nested_type.add()
        entry.options.map_entry = True
        for number, name in ((1, "key"), (2, "value")):
            self._type(entry.field.add(name=name, number=number, label=_OPTIONAL))
            words.expect("," if number == 1 else ">")
        field.label, field.type, field.type_name = _REPEATED, _MESSAGE, "entry"

    def _enum(self, enum: Any) -> None:
        words = self._words
        enum.name = words.name_of("the enum's name")
        words.expect("{")
        while not words.follows("}"):
            word = words.next
            if words.follows(";"):
                continue
            if words.follows("option"):
                self._option(enum)
                words.expect(";")
            elif words.follows("reserved"):
                self._ranges(enum, "reserved", rules.VALUE_NUMBERS)
            else:
                value = enum.value.add(name=words.name_of("a value's name"))
                words.expect("=")
                value.number = words.number("the value's number")
                if words.follows("["):
                    self._options(value)
                words.expect(";")
                if self._proto3 and len(enum.value) == 1 and value.number != 0:
                    words.wrong(f"{enum.name}: the first value of an enum is 0 in proto3", word)
        if said := rules.enum_wrong(enum) if enum.value else f"enum {enum.name} has no values":
            words.wrong(said)

    def _ranges(self, holder: Any, word: str, numbers: range) -> None:
        """Numbers and names that are taken; the end of a message's range doesn't belong to it."""
        words = self._words
        if word == "extensions" and self._proto3:
            words.wrong("proto3 knows no extensions")
        beyond = 1 if numbers == rules.FIELD_NUMBERS else 0
        while True:
            if words.next.kind == "text":
                holder.reserved_name.append(words.text("a name").decode("utf-8", "replace"))
            elif words.next.kind == "name":
                words.wrong("a reserved name stands in quotes")
            else:
                at = words.next
                last = first = words.number("a number")
                if words.follows("to"):
                    last = numbers.stop - 1 if words.follows("max") else words.number("a number")
                if said := rules.range_wrong(first, last, numbers):
                    words.wrong(said, at)
                holder_of = holder.extension_range if word == "extensions" else holder.reserved_range
                holder_of.add(start=first, end=last + beyond)
            if words.follows("["):
                self._options(None)
            if not words.follows(","):
                break
        words.expect(";")

    def _options(self, holder: Any) -> None:
        while True:
            self._option(holder)
            if not self._words.follows(","):
                break
        self._words.expect("]")

    def _option(self, holder: Any) -> None:
        """`name = value`; of the options only those that contracts know are kept."""
        words = self._words
        name = ""
        while words.next.text != "=":
            word = words.take()
            if word.kind not in ("name", "sign") or word.text in (";", "]", "{", "}"):
                words.wrong(f"an option's '=' expected, not {word.text[:40]!r}", word)
            name += word.text
        words.expect("=")
        sign = "-" if words.follows("-") else ""
        words.follows("+")
        if holder is not None and (
            said := rules.option_wrong(holder, name, words.next, sign, proto3=self._proto3)
        ):
            words.wrong(said)
        if words.next.text == "{":
            words.skip_block()
        elif words.next.kind == "text":
            self._keep(holder, name, words.text("a value"))
        else:
            self._keep(holder, name, sign + words.take().text)

    def _keep(self, holder: Any, name: str, value: str | bytes) -> None:
        if holder is None:
            return
        if name in ("deprecated", "allow_alias", "packed") and hasattr(holder.options, name):
            setattr(holder.options, name, value == "true")
        elif name == "json_name" and isinstance(value, bytes):
            holder.json_name = value.decode("utf-8", "replace")
        elif name == "default":
            holder.default_value = default_text(holder.type == SCALARS["bytes"], value)

    def _synthetic_oneofs(self, message: Any) -> None:
        """What `optional` means in proto3: a oneof of its own, behind all others."""
        for field in message.field:
            if field.proto3_optional:
                message.oneof_decl.add(name=f"_{field.name}")
                field.oneof_index = len(message.oneof_decl) - 1
