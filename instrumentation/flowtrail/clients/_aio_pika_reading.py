"""A connection of aio-pika's that reads messages whose timestamps its codec can't decode."""

from __future__ import annotations

from functools import cache
from typing import Any

from flowtrail._extras import load
from flowtrail.clients._tables import LAST_SECOND, mended

_LAST = LAST_SECOND * 1000 + 999  # pamqp takes what is above 32 bits for milliseconds
_HEAD = 7  # bytes of a frame before its payload


class _Reader:
    """A stream of frames, which aiormq reads head first; everything else is the stream's own."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    async def readexactly(self, count: int) -> bytes:
        """See `asyncio.StreamReader.readexactly`."""
        data: bytes = await self._reader.readexactly(count)
        if len(self._head) < _HEAD:
            self._head += data
            return data
        frame, self._head = self._head + data, b""
        readable = mended(frame, _LAST)
        return data if readable is frame else readable[_HEAD:]


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
