"""Bodies as they were before `Content-Encoding`."""

from __future__ import annotations

import gzip
import io
import zlib

__all__ = ["BodyError", "decompressed"]

# wbits of zlib.decompressobj: 16 + 15 expects a gzip wrapper, 15 a zlib one (HTTP calls that "deflate").
_GZIP_BITS = 31
_WINDOW_BITS = {"gzip": _GZIP_BITS, "x-gzip": _GZIP_BITS, "deflate": 15}


class BodyError(Exception):
    """The body can't be used.

    Args:
        status: HTTP status that says so: 400 broken, 413 too large, 415 unknown encoding.
        message: One line.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def decompressed(body: bytes, encoding: str | None, max_bytes: int) -> bytes:
    """The body as it was before `Content-Encoding`.

    Args:
        body: As received.
        encoding: Value of the `Content-Encoding` header.
        max_bytes: Most that may come out; a small body can hide a huge one.

    Raises:
        BodyError: Unknown encoding, broken or too large.
    """
    name = (encoding or "identity").strip().lower()
    if name in ("identity", ""):
        return body
    bits = _WINDOW_BITS.get(name)
    if bits is None:
        raise BodyError(415, "content-encoding may be gzip or deflate")
    unpacker = zlib.decompressobj(bits)
    try:
        result = unpacker.decompress(body, max_bytes + 1)
        if unpacker.unused_data and bits == _GZIP_BITS:
            # Several members, one after the other (RFC 1952, 2.2).
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as members:
                result = members.read(max_bytes + 1)
    except EOFError as error:
        raise BodyError(400, f"the {name} body is cut off") from error
    except (zlib.error, OSError) as error:
        raise BodyError(400, f"the body is not {name}: {error}") from error
    if len(result) > max_bytes:
        raise BodyError(413, f"the body is larger than {max_bytes} bytes once decompressed")
    if not unpacker.eof:
        raise BodyError(400, f"the {name} body is cut off")
    if unpacker.unused_data and bits != _GZIP_BITS:
        raise BodyError(400, f"the {name} body goes on with something else")
    return result
