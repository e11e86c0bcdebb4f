"""Frames and messages of the Kafka protocol as bytes.

The schemas are kio's; reading and writing are our own for two reasons: kio's native reader ends
the whole process on an absurd array length, and refuses tagged fields that it doesn't know, which
the protocol says to skip. Here every length is checked against the bytes that are there.
"""

import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

from devbroker.schema import (
    VERSIONS,
    Api,
    FieldShape,
    Kind,
    Struct,
    message,
    request_header_is_flexible,
    response_header_is_flexible,
)

MAX_REQUEST_BYTES = 100 * 1024 * 1024  # Kafka's socket.request.max.bytes
_MAX_ARRAY_LENGTH = 1_000_000
_MAX_VARINT_BYTES = 5
_NO_UUID = uuid.UUID(int=0)

_HEADER = struct.Struct(">hhi")
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


class MalformedError(Exception):
    """The bytes are no message of the protocol."""


class UnsupportedError(Exception):
    """A request for an API or a version that the broker doesn't speak.

    Attributes:
        api_key: as received.
        version: as received.
        correlation_id: as received.
    """

    def __init__(self, api_key: int, version: int, correlation_id: int) -> None:
        super().__init__(f"API key {api_key} version {version}")
        self.api_key = api_key
        self.version = version
        self.correlation_id = correlation_id


class Body(SimpleNamespace):
    """A decoded structure: one attribute per field of any version, times in milliseconds."""


@dataclass(frozen=True, slots=True)
class Request:
    """A decoded request."""

    api: Api
    version: int
    correlation_id: int
    client_id: str | None
    body: Body


class _Cursor:
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


def decode_request(frame: bytes) -> Request:
    """Decode a frame (without its size).

    Raises:
        UnsupportedError: an API or version that isn't spoken.
        MalformedError: anything else that is wrong.
    """
    if len(frame) < _HEADER.size:
        raise MalformedError("shorter than a request header")
    api_key, version, correlation_id = _HEADER.unpack_from(frame)
    try:
        api = Api(api_key)
        oldest, newest = VERSIONS[api]
    except (ValueError, KeyError):
        raise UnsupportedError(api_key, version, correlation_id) from None
    if not oldest <= version <= newest:
        raise UnsupportedError(api_key, version, correlation_id)
    cursor = _Cursor(frame, _HEADER.size)
    client_id = _read_text(cursor, compact=False)
    if request_header_is_flexible(api, version):
        cursor.skip_tagged_fields()
    # Bytes after the body are ignored, as by Kafka: librdkafka's Metadata request has some.
    body = _reader(api, version, "request")(cursor)
    return Request(api, version, correlation_id, client_id, body)


def encode_response(api: Api, version: int, correlation_id: int, body: Mapping[str, object]) -> bytes:
    """Encode a response as a frame with its size.

    Names that this version lacks are left out, names not given get their default.

    Raises:
        ValueError: a name that no version of the response knows.
    """
    parts: list[bytes] = [_INT32.pack(correlation_id)]
    if response_header_is_flexible(api, version):
        parts.append(b"\0")
    _writer(api, version, "response")(parts, body)
    size = sum(map(len, parts))
    return b"".join((_INT32.pack(size), *parts))


def decode_body(api: Api, version: int, kind: Kind, data: bytes) -> Body:
    """Decode a body alone (of a request or a response), for tests and tracing.

    Raises:
        MalformedError: the bytes are no such body.
    """
    cursor = _Cursor(data)
    body = _reader(api, version, kind)(cursor)
    if cursor.position != len(data):
        raise MalformedError(f"{len(data) - cursor.position} bytes too many")
    return body


def encode_body(api: Api, version: int, kind: Kind, body: Mapping[str, object]) -> bytes:
    """Encode a body alone, the reverse of `decode_body`."""
    parts: list[bytes] = []
    _writer(api, version, kind)(parts, body)
    return b"".join(parts)


@cache
def _reader(api: Api, version: int, kind: Kind) -> Callable[[_Cursor], Body]:
    return _struct_reader(message(api, version, kind))


@cache
def _writer(api: Api, version: int, kind: Kind) -> Callable[[list[bytes], Mapping[str, Any]], None]:
    return _struct_writer(message(api, version, kind))


def _struct_reader(shape: Struct) -> Callable[[_Cursor], Body]:
    readers = [(field, _field_reader(field, shape.flexible)) for field in shape.fields]
    plain = [(field.name, read) for field, read in readers if field.tag is None]
    tagged = {field.tag: (field.name, read) for field, read in readers if field.tag is not None}
    defaults = dict(shape.absent) | {field.name: field.default for field in shape.fields}

    def read(cursor: _Cursor) -> Body:
        body = Body(**defaults)
        for name, reader in plain:
            setattr(body, name, reader(cursor))
        if shape.flexible:
            for _ in range(cursor.varint()):
                tag = cursor.varint()
                content = cursor.take(cursor.varint())
                if tag in tagged:
                    name, reader = tagged[tag]
                    setattr(body, name, reader(_Cursor(content)))
        return body

    return read


def _field_reader(field: FieldShape, flexible: bool) -> Callable[[_Cursor], Any]:
    if isinstance(field.type, Struct):
        element: Callable[[_Cursor], Any] = _struct_reader(field.type)
    else:
        element = _plain_reader(field.type, flexible)
    if not field.array:
        return element if field.nullable or field.type in _NEVER_NULL else _not_null(element, field.name)

    def read_array(cursor: _Cursor) -> Sequence[Any] | None:
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


def _not_null(read: Callable[[_Cursor], Any], name: str) -> Callable[[_Cursor], Any]:
    def read_present(cursor: _Cursor) -> Any:
        value = read(cursor)
        if value is None:
            raise MalformedError(f"{name} is null")
        return value

    return read_present


def _plain_reader(kafka_type: str, flexible: bool) -> Callable[[_Cursor], Any]:
    if kafka_type in _NUMBERS:
        layout = _NUMBERS[kafka_type]
        return lambda cursor: cursor.number(layout)
    if kafka_type == "string":
        return lambda cursor: _read_text(cursor, compact=flexible)
    if kafka_type in ("bytes", "records"):
        return lambda cursor: _read_bytes(cursor, compact=flexible)
    if kafka_type == "uuid":
        return _read_uuid
    if kafka_type == "datetime_i64":
        return lambda cursor: cursor.number(_INT64)
    raise NotImplementedError(kafka_type)


def _read_text(cursor: _Cursor, *, compact: bool) -> str | None:
    length = cursor.length(_INT16, compact=compact)
    if length == -1:
        return None
    try:
        return cursor.take(length).decode()
    except UnicodeDecodeError:
        raise MalformedError("a string that is not UTF-8") from None


def _read_bytes(cursor: _Cursor, *, compact: bool) -> bytes | None:
    length = cursor.length(_INT32, compact=compact)
    return None if length == -1 else cursor.take(length)


def _read_uuid(cursor: _Cursor) -> uuid.UUID | None:
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


def _struct_writer(shape: Struct) -> Callable[[list[bytes], Mapping[str, Any]], None]:
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
        element: Callable[[list[bytes], Any], None] = _struct_writer(field.type)
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
