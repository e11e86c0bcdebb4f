"""Structures as bytes: readers and writers made from their shapes.

Reading trusts nothing: every length is checked against the bytes that are there.
"""

import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from devbroker.schema import FieldShape, Struct

_MAX_ARRAY_LENGTH = 1_000_000
_MAX_VARINT_BYTES = 5
_NO_UUID = uuid.UUID(int=0)

_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")
_NUMBERS: Mapping[str, struct.Struct] = {
    "int8": struct.Struct(">b"),
    "int16": _INT16,
    "int32": _INT32,
    "int64": _INT64,
    "uint8": struct.Struct(">B"),
    "uint16": struct.Struct(">H"),
    "uint32": struct.Struct(">I"),
    "uint64": struct.Struct(">Q"),
    "float64": struct.Struct(">d"),
    "bool": struct.Struct(">?"),
    "error_code": _INT16,
    "timedelta_i32": _INT32,
    "timedelta_i64": _INT64,
}
# A zero UUID and a timestamp of -1 stand for "none"; they aren't null on the wire.
_NEVER_NULL = ("uuid", "datetime_i64")


Reader = Callable[["Cursor"], "Body"]
Writer = Callable[[list[bytes], Mapping[str, Any]], None]


class MalformedError(Exception):
    """The bytes are no message of the protocol."""


class Body(SimpleNamespace):
    """A decoded structure: one attribute per field of any version, times in milliseconds."""


class Cursor:
    """A position in received bytes; every read is checked against the end."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def take(self, size: int) -> bytes:
        end = self.position + size
        if size < 0 or end > len(self.data):
            raise MalformedError(f"a length of {size} bytes, {len(self.data) - self.position} are left")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, layout: struct.Struct) -> Any:
        try:
            (value,) = layout.unpack_from(self.data, self.position)
        except struct.error:
            raise MalformedError("it ends within a number") from None
        self.position += layout.size
        return value

    def varint(self) -> int:
        value = 0
        for index in range(_MAX_VARINT_BYTES):
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value
        raise MalformedError("a varint of more than five bytes")

    def length(self, layout: struct.Struct, *, compact: bool) -> int:
        """A length prefix; -1 stands for null."""
        return self.varint() - 1 if compact else int(self.number(layout))

    def skip_tagged_fields(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            self.take(self.varint())


def struct_reader(shape: Struct) -> Reader:
    """What reads such a structure; fields of other versions get their defaults."""
    readers = [(field, _field_reader(field, shape.flexible)) for field in shape.fields]
    plain = [(field.name, read) for field, read in readers if field.tag is None]
    tagged = {field.tag: (field.name, read) for field, read in readers if field.tag is not None}
    defaults = dict(shape.absent) | {field.name: field.default for field in shape.fields}

    def read(cursor: Cursor) -> Body:
        body = Body(**defaults)
        for name, reader in plain:
            setattr(body, name, reader(cursor))
        if shape.flexible:
            for _ in range(cursor.varint()):
                tag = cursor.varint()
                content = cursor.take(cursor.varint())
                if tag in tagged:
                    name, reader = tagged[tag]
                    setattr(body, name, reader(Cursor(content)))
        return body

    return read


def _field_reader(field: FieldShape, flexible: bool) -> Callable[[Cursor], Any]:
    if isinstance(field.type, Struct):
        element: Callable[[Cursor], Any] = struct_reader(field.type)
    else:
        element = _plain_reader(field.type, flexible)
    if not field.array:
        return element if field.nullable or field.type in _NEVER_NULL else _not_null(element, field.name)

    def read_array(cursor: Cursor) -> Sequence[Any] | None:
        length = cursor.length(_INT32, compact=flexible)
        if length == -1:
            if not field.nullable:
                raise MalformedError(f"{field.name} is null")
            return None
        # Every element takes a byte or more.
        if not 0 <= length <= min(_MAX_ARRAY_LENGTH, len(cursor.data) - cursor.position):
            raise MalformedError(f"an array of {length} elements")
        return [element(cursor) for _ in range(length)]

    return read_array


def _not_null(read: Callable[[Cursor], Any], name: str) -> Callable[[Cursor], Any]:
    def read_present(cursor: Cursor) -> Any:
        value = read(cursor)
        if value is None:
            raise MalformedError(f"{name} is null")
        return value

    return read_present


def _plain_reader(kafka_type: str, flexible: bool) -> Callable[[Cursor], Any]:
    if kafka_type in _NUMBERS:
        layout = _NUMBERS[kafka_type]
        return lambda cursor: cursor.number(layout)
    if kafka_type == "string":
        return lambda cursor: read_text(cursor, compact=flexible)
    if kafka_type in ("bytes", "records"):
        return lambda cursor: _read_bytes(cursor, compact=flexible)
    if kafka_type == "uuid":
        return _read_uuid
    if kafka_type == "datetime_i64":
        return lambda cursor: cursor.number(_INT64)
    raise NotImplementedError(kafka_type)


def read_text(cursor: Cursor, *, compact: bool) -> str | None:
    """A nullable string."""
    length = cursor.length(_INT16, compact=compact)
    if length == -1:
        return None
    try:
        return cursor.take(length).decode()
    except UnicodeDecodeError:
        raise MalformedError("a string that is not UTF-8") from None


def _read_bytes(cursor: Cursor, *, compact: bool) -> bytes | None:
    length = cursor.length(_INT32, compact=compact)
    return None if length == -1 else cursor.take(length)


def _read_uuid(cursor: Cursor) -> uuid.UUID | None:
    value = uuid.UUID(bytes=cursor.take(16))
    return None if value == _NO_UUID else value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _length(value: int, layout: struct.Struct, *, compact: bool) -> bytes:
    return _varint(value + 1) if compact else layout.pack(value)


def struct_writer(shape: Struct) -> Writer:
    """What writes such a structure; it refuses names that no version knows."""
    known = shape.names
    plain = [
        (field.name, field.default, _field_writer(field, shape.flexible))
        for field in shape.fields
        if field.tag is None
    ]
    tagged = sorted(
        (field.tag, field.name, _field_writer(field, shape.flexible))
        for field in shape.fields
        if field.tag is not None
    )

    def write(parts: list[bytes], body: Mapping[str, Any]) -> None:
        if not known.issuperset(body):
            raise ValueError(f"no version knows {sorted(set(body) - known)}")
        for name, default, writer in plain:
            writer(parts, body.get(name, default))
        if shape.flexible:
            given = [(tag, name, writer) for tag, name, writer in tagged if name in body]
            parts.append(_varint(len(given)))
            for tag, name, writer in given:
                content: list[bytes] = []
                writer(content, body[name])
                parts += (_varint(tag), _varint(sum(map(len, content))), *content)

    return write


def _field_writer(field: FieldShape, flexible: bool) -> Callable[[list[bytes], Any], None]:
    if isinstance(field.type, Struct):
        element: Callable[[list[bytes], Any], None] = struct_writer(field.type)
    else:
        element = _plain_writer(field.type, flexible)
    if not field.array:
        return element

    def write_array(parts: list[bytes], values: Sequence[Any] | None) -> None:
        if values is None:
            parts.append(_length(-1, _INT32, compact=flexible))
            return
        parts.append(_length(len(values), _INT32, compact=flexible))
        for value in values:
            element(parts, value)

    return write_array


def _plain_writer(kafka_type: str, flexible: bool) -> Callable[[list[bytes], Any], None]:
    if kafka_type in _NUMBERS:
        pack = _NUMBERS[kafka_type].pack
        return lambda parts, value: parts.append(pack(value))
    if kafka_type == "string":
        return _bytes_writer(_INT16, flexible, lambda value: value.encode())
    if kafka_type in ("bytes", "records"):
        return _bytes_writer(_INT32, flexible, lambda value: value)
    if kafka_type == "uuid":
        return lambda parts, value: parts.append((value or _NO_UUID).bytes)
    if kafka_type == "datetime_i64":
        return lambda parts, value: parts.append(_INT64.pack(-1 if value is None else value))
    raise NotImplementedError(kafka_type)


def _bytes_writer(
    layout: struct.Struct, flexible: bool, convert: Callable[[Any], bytes]
) -> Callable[[list[bytes], Any], None]:
    def write(parts: list[bytes], value: Any) -> None:
        if value is None:
            parts.append(_length(-1, layout, compact=flexible))
            return
        content = convert(value)
        parts.append(_length(len(content), layout, compact=flexible))
        parts.append(content)

    return write
