"""A connection of aio-pika's that reads whatever headers a message has."""

from __future__ import annotations

from functools import cache
from typing import Any

from flowtrail._extras import load
from flowtrail.wire.amqp_frames import readable_frame

_TYPE, _REST = 1, 6  # bytes of a frame's head, as aiormq asks for them
_NO_FRAME = b"A"  # but the server's answer to another version of the protocol


class _Reader:
    """A stream of frames, of which aiormq reads a byte, six, and the others; everything else is the stream's own."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._type = self._unread = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    async def readexactly(self, count: int) -> bytes:
        """See `asyncio.StreamReader.readexactly`."""
        if self._unread:
            part, self._unread = self._unread[:count], self._unread[count:]
            return part
        data: bytes = await self._reader.readexactly(count)
        if count == _TYPE:
            self._type = data
            return data
        if count != _REST or self._type == _NO_FRAME:
            return data
        length = int.from_bytes(data[2:])
        frame = self._type + data + await self._reader.readexactly(length + 1)
        readable: bytes = readable_frame(frame)
        self._unread = readable[_TYPE + _REST :]
        return readable[_TYPE : _TYPE + _REST]


@cache
def reading(aio_pika: Any) -> dict[str, Any]:
    """Arguments with which `connect` opens such a connection; none with an aiormq that has no room for it."""
    module: Any = load("aiormq.connection", "aio-pika", "aio-pika")
    above: Any = aio_pika.Connection
    names = ("TransportFactory", "TCPTransportFactory", "TLSTransportFactory")
    if not all(hasattr(module, name) for name in names):
        return {}
    kind: Any = module.TransportFactory
    plain, secure = module.TCPTransportFactory, module.TLSTransportFactory

    class Transport(kind):  # type: ignore[misc]
        async def create(self, url: Any, **named: Any) -> Any:
            reader, writer = await (secure if url.scheme == "amqps" else plain)().create(url, **named)
            return _Reader(reader), writer

    class Connection(above):  # type: ignore[misc]
        """Only what is opened with it reads so: connections of others stay as they are."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.kwargs["transport_factory"] = Transport()

    return {"connection_class": Connection}
