"""Sockets: one request at a time per connection, as Kafka does it, so that order is right by construction."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import time
from collections.abc import Callable

from kio.schema.errors import ErrorCode

from devbroker.api import HANDLERS, Client
from devbroker.api.cluster import supported_versions
from devbroker.broker import Broker, Settings
from devbroker.codec import (
    MAX_REQUEST_BYTES,
    MalformedError,
    Request,
    UnsupportedError,
    decode_request,
    encode_response,
)
from devbroker.schema import Api

_LOG = logging.getLogger("devbroker")
_ACCEPT_AGAIN_SECONDS = 0.5
_SIZE_BYTES = 4
_READ_AHEAD_BYTES = 1024 * 1024
_TRACE_CHARACTERS = 500

Trace = Callable[[str], None]
"""Receives one line per request."""


class AddressError(Exception):
    """The address can't be listened on; the message is one line for the user."""


class Server:
    """A broker and its listening socket; to be used within one event loop.

    Args:
        settings: how the broker behaves.
        trace: receives one line per request, if given.
    """

    def __init__(self, settings: Settings, *, trace: Trace | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self.broker = Broker(settings, clock=self._loop.time, on_deadline=self._tick_at)
        self.trace = trace
        self.connections: set[_Connection] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Args:
            host: a loopback address, or "localhost".
            port: 0 takes a free one.

        Raises:
            AddressError: it isn't a loopback address, or it can't be bound.
        """
        address = loopback_address(host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            self._listener = socket.create_server((address, port), family=family)
        except (OSError, OverflowError) as error:
            reason = str(error)
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                reason = "the port is in use"
            raise AddressError(f"can't listen on {address}:{port}: {reason}") from None
        self._listener.setblocking(False)
        self.broker.host = address
        self.broker.port = self._listener.getsockname()[1]
        self._accepting = self._loop.create_task(self._accept(self._listener))

    async def stop(self) -> None:
        """Close the socket and all connections."""
        for timer in self._timers.values():
            timer.cancel()
        if self._accepting is not None:
            await self._stop_accepting(self._accepting)
        serving = [connection.task for connection in self.connections]
        for connection in list(self.connections):
            connection.close()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # the sockets close in the turn after

    # asyncio.Server loses the connections that it is accepting while it is closed: their sockets stay open.
    # So connections are accepted here, one by one, and the last one is the server's own.

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    client, _ = await self._loop.sock_accept(listener)
                    if self._stopping:
                        client.close()
                        return
                    await self._loop.connect_accepted_socket(lambda: _Connection(self), client)
                except OSError as error:
                    _LOG.warning("can't accept a connection: %s", error)
                    await asyncio.sleep(_ACCEPT_AGAIN_SECONDS)

    async def _stop_accepting(self, accepting: asyncio.Task[None]) -> None:
        self._stopping = True
        while not accepting.done():
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(self.broker.host, self.broker.port)
                writer.close()
            await asyncio.wait([accepting], timeout=_ACCEPT_AGAIN_SECONDS)

    def _tick_at(self, group_id: str, when: float) -> None:
        timer = self._timers.get(group_id)
        if timer is not None:
            if timer.when() <= when:
                return  # it looks again then
            timer.cancel()
        self._timers[group_id] = self._loop.call_at(when, self._tick, group_id)

    def _tick(self, group_id: str) -> None:
        del self._timers[group_id]
        self.broker.coordinator.tick(group_id, self._loop.time())


def loopback_address(host: str) -> str:
    """The address to bind for `host`.

    Raises:
        AddressError: it would be reachable from other machines.
    """
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise AddressError(f"{host!r} is no IP address; give a loopback address such as 127.0.0.1") from None
    if not address.is_loopback:
        raise AddressError(
            f"{host} is not a loopback address; devbroker has no security and listens on loopback only"
        )
    return str(address)


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._needed = _SIZE_BYTES
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._client = Client(host="")
        self._transport: asyncio.Transport
        self.task: asyncio.Task[None]

    # -- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._client = Client(host=f"/{peer[0]}" if peer else "")
        self._server.connections.add(self)
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= self._needed:
            self._arrived.set()
            if len(self._buffer) > self._needed + _READ_AHEAD_BYTES:
                self._transport.pause_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self.task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- serving ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Drop the connection and whatever it waits for."""
        self._transport.abort()
        self.task.cancel()

    async def _serve(self) -> None:
        try:
            while True:
                response = await self._answer(await self._next_frame())
                if response is not None:
                    await self._writable.wait()
                    self._transport.write(response)
        except (MalformedError, UnsupportedError) as error:
            _LOG.warning("closed the connection of %s: %s", self._client.host, error)
        except Exception:  # noqa: BLE001 - one client's request must not end the broker
            _LOG.exception("closed the connection of %s after a failure", self._client.host)
        finally:
            self._transport.close()

    async def _next_frame(self) -> bytes:
        size = int.from_bytes(await self._take(_SIZE_BYTES), "big", signed=True)
        if not 0 < size <= MAX_REQUEST_BYTES:
            raise MalformedError(f"a request size of {size} bytes")
        return await self._take(size)

    async def _take(self, size: int) -> bytes:
        self._needed = size
        while len(self._buffer) < size:
            self._arrived.clear()
            self._transport.resume_reading()
            await self._arrived.wait()
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken

    async def _answer(self, frame: bytes) -> bytes | None:
        try:
            request = decode_request(frame)
        except UnsupportedError as error:
            if error.api_key != Api.API_VERSIONS:
                raise
            # The client asks for versions in a version that is too new: it learns the table in the oldest.
            table = {"error_code": ErrorCode.unsupported_version, "api_keys": supported_versions()}
            return encode_response(Api.API_VERSIONS, 0, error.correlation_id, table)
        started = time.perf_counter()
        body = await HANDLERS[request.api](self._server.broker, request, self._client)
        if self._server.trace is not None:
            self._server.trace(_trace_line(request, body, time.perf_counter() - started))
        if body is None:
            return None
        return encode_response(request.api, request.version, request.correlation_id, body)


def _trace_line(request: Request, body: object, seconds: float) -> str:
    asked, answered = (repr(part)[:_TRACE_CHARACTERS] for part in (request.body, body))
    name = request.api.name.lower()
    return f"{request.client_id} {name} v{request.version} {seconds * 1000:.1f} ms {asked} -> {answered}"
