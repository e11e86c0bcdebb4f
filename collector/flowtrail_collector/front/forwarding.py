"""Hands on what the reading process doesn't answer, and takes it in on the other side.

Both sides speak HTTP over a socket that only this user can reach; who asked, and how, travels in a header that
nobody else can set: the reading process drops it from what comes in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from urllib.parse import quote

import httpcore
from starlette.responses import JSONResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Forwarding", "TakingIn"]

_ASKED_BY = b"x-flowtrail-asked-by"
# Of one connection, not of the message (RFC 9110, 7.6.1); and what the server of the other connection sets anew.
_OF_A_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect")
)  # fmt: skip
_SET_ANEW = _OF_A_CONNECTION | {b"date", b"server"}
_KEPT_CONNECTIONS, _KEPT_SECONDS = 32, 60.0
# What HTTP allows in a path as it is.
_PATH_SAFE = "/:@!$&'()*+,;=~-._"
Headers = list[tuple[bytes, bytes]]


class Forwarding:
    """ASGI application that asks the writing process.

    Args:
        socket_path: Where it listens.
    """

    def __init__(self, socket_path: str) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            uds=socket_path,
            max_connections=None,
            max_keepalive_connections=_KEPT_CONNECTIONS,
            keepalive_expiry=_KEPT_SECONDS,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            answer = await self._pool.handle_async_request(_request_of(scope, receive))
        except (httpcore.NetworkError, httpcore.ProtocolError):
            error = {"error": "the collector is ending or starting again: ask again in a moment"}
            await JSONResponse(error, 503, {"retry-after": "1"})(scope, receive, send)
            return
        try:
            response = StreamingResponse(answer.aiter_stream(), answer.status)
            response.raw_headers = _without(answer.headers, _SET_ANEW)
            await response(scope, receive, send)
        finally:
            await answer.aclose()


class TakingIn:
    """ASGI middleware on the other side: requests look as if they had come straight here.

    Args:
        app: What answers them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            scope = dict(scope)
            for name, value in scope["headers"]:
                if name == _ASKED_BY:
                    scheme, host, port = value.decode().split(" ")
                    scope["scheme"] = scheme
                    scope["client"] = (host, int(port)) if host else None
            scope["headers"] = _without(scope["headers"], {_ASKED_BY})
        await self._app(scope, receive, send)


def _request_of(scope: Scope, receive: Receive) -> httpcore.Request:
    # `raw_path` is missing where a proxy's prefix was taken off.
    path: bytes = scope.get("raw_path") or quote(scope["path"], safe=_PATH_SAFE).encode()
    target = path + b"?" + scope["query_string"] if scope["query_string"] else path
    headers = _without(scope["headers"], _OF_A_CONNECTION | {_ASKED_BY})
    host, port = scope.get("client") or ("", 0)
    headers.append((_ASKED_BY, f"{scope['scheme']} {host} {port}".encode()))
    names = {name for name, _ in scope["headers"]}
    if b"transfer-encoding" in names:
        headers.append((b"transfer-encoding", b"chunked"))
    has_body = b"transfer-encoding" in names or b"content-length" in names
    return httpcore.Request(
        scope["method"].encode(),
        httpcore.URL(scheme=b"http", host=b"flowtrail", target=target),
        headers=headers,
        content=_body(receive) if has_body else None,
    )


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise httpcore.ReadError("who asked has gone")
        if message.get("body"):
            yield message["body"]
        more = message.get("more_body", False)


def _without(headers: Iterable[tuple[bytes, bytes]], names: Iterable[bytes]) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in names]
