"""The MCP server over streamable HTTP: who may connect, from where, and under which names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.web.access.model import Access
from flowtrail_collector.web.callers import bearer_of

__all__ = ["PATH", "check_exposure", "http_app"]

PATH = "/mcp"
_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_MAX_BODY_BYTES = 65_536
_MAX_SESSIONS = 100
_MIN_TOKEN = 16


def check_exposure(host: str, *, local: bool, token: str | None, hosts: Sequence[str]) -> None:
    """Refuse an address that others reach without a token, or by a name that isn't checked.

    Args:
        host: What is listened on.
        local: Only this machine can reach it.
        token: What clients must show.
        hosts: Names that clients use.

    Raises:
        ConfigurationError: Says what is missing.
    """
    if token is not None and len(token) < _MIN_TOKEN:
        raise ConfigurationError(f"the token is too short: use at least {_MIN_TOKEN} characters")
    if local:
        return
    if token is None:
        raise ConfigurationError(
            f"{host} can be reached from other machines: set a token that clients must show (FLOWTRAIL_MCP_TOKEN or"
            " --client-token-file)"
        )
    if not hosts:
        raise ConfigurationError(
            f"{host} can be reached under any name: say with --allow-host which one clients use, such as"
            " mcp.example.com"
        )


def http_app(
    server: Server[Any], *, local: bool, token: str | None, hosts: Sequence[str], origins: Sequence[str]
) -> ASGIApp:
    """The application that serves MCP at `/mcp`.

    Args:
        server: See `build_server`.
        local: Only this machine can reach it: then loopback's names are hosts, too.
        token: Bearer token of the clients, None for no check.
        hosts: What `Host` may be, with or without a port.
        origins: What `Origin` may be; requests without one don't come from a web page.
    """
    names = [*hosts, *(_LOOPBACK_HOSTS if local else ())]
    security = TransportSecuritySettings(
        allowed_hosts=[*names, *(f"{name}:*" for name in names)], allowed_origins=list(origins)
    )
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        transport_security=security,
        max_request_body_size=_MAX_BODY_BYTES,
        max_sessions=_MAX_SESSIONS,
    )
    return _Guard(app, Access(token))


class _Guard:
    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._access.lets_machines_read(bearer_of(Headers(scope=scope))):
            refusal = JSONResponse(
                {"error": "this MCP server's token is needed: Authorization: Bearer TOKEN"}, 401,
                {"www-authenticate": 'Bearer realm="flowtrail mcp"'},
            )  # fmt: skip
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
