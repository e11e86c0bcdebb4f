"""What every request passes: access token, security headers, a last resort for errors."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("flowtrail_collector")

# Load balancers and kubelets ask without credentials, and learn nothing but yes or no.
_OPEN_PATHS = frozenset({"/healthz"})
_SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware around the whole application.

    Args:
        app: What it guards.
        token: Required as `Authorization: Bearer TOKEN`, or as the password of basic authentication, which is
            what browsers can ask for; None lets everybody in.
        on_error: Called with `web` and whatever an endpoint let through.
    """

    def __init__(
        self, app: ASGIApp, *, token: str | None, on_error: Callable[[str, Exception], None]
    ) -> None:
        self._app = app
        self._token = token.encode() if token else None
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if self._token is not None and scope["path"] not in _OPEN_PATHS and not self._is_allowed(scope):
            await _refusal()(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception as error:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            self._on_error("web", error)
            if not started:
                raise

    def _is_allowed(self, scope: Scope) -> bool:
        scheme, _, value = Headers(scope=scope).get("authorization", "").partition(" ")
        given = value.strip().encode("utf-8", "replace")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given, self._token or b"")


def _refusal() -> Response:
    return Response(
        json.dumps({"error": "an access token is needed: Authorization: Bearer TOKEN"}),
        401,
        {"www-authenticate": 'Basic realm="flowtrail", charset="UTF-8"'},
        media_type="application/json",
    )
