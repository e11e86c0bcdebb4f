"""Requests and responses of the Kafka protocol as frames.

The schemas are kio's; reading and writing are our own for two reasons: kio's native reader ends
the whole process on an absurd array length, and refuses tagged fields that it doesn't know, which
the protocol says to skip.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from devbroker.schema import (
    VERSIONS,
    Api,
    Kind,
    message,
    request_header_is_flexible,
    response_header_is_flexible,
)
from devbroker.wire import (
    Body,
    Cursor,
    MalformedError,
    Reader,
    Writer,
    read_text,
    struct_reader,
    struct_writer,
)

MAX_REQUEST_BYTES = 100 * 1024 * 1024  # Kafka's socket.request.max.bytes

_HEADER = struct.Struct(">hhi")
_INT32 = struct.Struct(">i")


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


@dataclass(frozen=True, slots=True)
class Request:
    """A decoded request."""

    api: Api
    version: int
    correlation_id: int
    client_id: str | None
    body: Body


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
    cursor = Cursor(frame, _HEADER.size)
    client_id = read_text(cursor, compact=False)
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
    cursor = Cursor(data)
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
def _reader(api: Api, version: int, kind: Kind) -> Reader:
    return struct_reader(message(api, version, kind))


@cache
def _writer(api: Api, version: int, kind: Kind) -> Writer:
    return struct_writer(message(api, version, kind))


__all__ = [
    "MAX_REQUEST_BYTES",
    "Body",
    "MalformedError",
    "Request",
    "UnsupportedError",
    "decode_body",
    "decode_request",
    "encode_body",
    "encode_response",
]
