"""What every request passes: access tokens, the origin of writes, security headers, a last resort for errors.

Reading and writing are two rights. Whatever isn't a GET is a write (only the OTLP receiver isn't), so that no
route can forget to ask. A browser sends stored credentials along wherever a request comes from: a write has to
come from the console's own pages (`Sec-Fetch-Site`, else `Origin`), and a form carries a token of its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowtrail_collector.web.prefix import prefix

__all__ = ["Access", "FormTokens", "Guard", "actor_of", "bearer_of", "remote_of"]

logger = logging.getLogger("flowtrail_collector")
audit_logger = logging.getLogger("flowtrail_collector.audit")

# Load balancers and kubelets ask without credentials, and learn nothing but yes or no.
_OPEN_PATHS = frozenset({"/healthz"})
# Spans are sent in with the token for reading, and change nothing that people decided.
_RECEIVERS = ("/v1/",)
_READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_ACTOR = 64
_NONE_TO_READ = (
    "an access token is needed: Authorization: Bearer TOKEN (commands: --token or FLOWTRAIL_TOKEN)"
)
_OTHER_THAN_TO_READ = (
    "that access token isn't this collector's: it is the one of its --token-file or FLOWTRAIL_TOKEN"
)
_NONE_TO_WRITE = "the write token is needed: Authorization: Bearer TOKEN (commands: FLOWTRAIL_WRITE_TOKEN)"
_OTHER_THAN_TO_WRITE = "that isn't this collector's write token: it is the one of its --write-token-file or FLOWTRAIL_WRITE_TOKEN"
_SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Nothing leaves for other sites. no-referrer would also take the Origin from our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what.

    Attributes:
        token: Lets read; None lets everybody read.
        write_token: Lets read and write; None lets nobody write, except on this machine.
        local: Only this machine can reach the address: then, without any token, everybody may write.
    """

    token: str | None = None
    write_token: str | None = None
    local: bool = False

    @property
    def is_writable(self) -> bool:
        """Whether anybody can write."""
        return self.write_token is not None or (self.local and self.token is None)

    def may_read(self, given: bytes | None) -> bool:
        """Whether these credentials let read."""
        return self.token is None or _is_one_of(given, self.token, self.write_token)

    def may_write(self, given: bytes | None, host: str) -> bool:
        """Whether these credentials let write.

        Args:
            given: The token that came along.
            host: Name in the request's `Host`: another one than loopback's means that a foreign name was made
                to point here (DNS rebinding).
        """
        if self.write_token is None:
            return self.local and self.token is None and host in _LOOPBACK_NAMES
        return _is_one_of(given, self.write_token)


def _is_one_of(given: bytes | None, *tokens: str | None) -> bool:
    """Compared in a time that depends neither on where they differ nor on how long they are."""
    digest = hashlib.sha256(given or b"").digest()
    fits = False
    for token in tokens:
        if token is not None:
            fits |= hmac.compare_digest(digest, hashlib.sha256(token.encode()).digest())
    return fits


class Guard:
    """ASGI middleware around the whole application.

    Credentials come as `Authorization: Bearer TOKEN`, or as the password of basic authentication, which is what
    browsers can ask for; its user name is who the audit names.

    Args:
        app: What it guards.
        access: Who may do what.
        on_error: Called with `web` and whatever an endpoint let through.
    """

    def __init__(self, app: ASGIApp, *, access: Access, on_error: Callable[[str, Exception], None]) -> None:
        self._app = app
        self._access = access
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

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception as error:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            self._on_error("web", error)
            if not started:
                raise

    def _refusal(self, scope: Scope) -> Response | None:
        path = scope["path"]
        if path in _OPEN_PATHS:
            return None
        headers = Headers(scope=scope)
        user, given = _credentials(headers.get("authorization", ""))
        if not self._access.may_read(given):
            return _refused(401, _OTHER_THAN_TO_READ if given else _NONE_TO_READ, "flowtrail")
        scope.setdefault("state", {})["user"] = user
        if scope["method"] in _READ_METHODS or path.startswith(_RECEIVERS):
            return None
        refusal = self._write_refusal(headers, given)
        if refusal is not None:
            client = scope.get("client") or ("?",)
            audit_logger.warning(
                "refused %s %s by %s from %s: HTTP %d",
                scope["method"], _printable(path), user or "nobody", client[0], refusal.status_code,
            )  # fmt: skip
        return refusal

    def _write_refusal(self, headers: Headers, given: bytes | None) -> Response | None:
        if not _is_own_origin(headers):
            return _refused(
                403, "request from another site refused: writes must come from the console's own pages"
            )
        if self._access.may_write(given, _host_name(headers)):
            return None
        if self._access.write_token is None:
            return _refused(
                403, "this collector is read-only: start it with --write-token-file to allow writes"
            )
        return _refused(401, _OTHER_THAN_TO_WRITE if given else _NONE_TO_WRITE, "flowtrail write")


def actor_of(request: Request, claimed: str | None = None) -> str:
    """Who asks, for the audit: the user name of basic authentication, else what is claimed."""
    name = getattr(request.state, "user", None) or claimed or "unnamed"
    return _printable(name)[:_MAX_ACTOR]


def remote_of(request: Request) -> str:
    """The address a request came from."""
    return request.client.host if request.client is not None else ""


class FormTokens:
    """Proves that a form was made by this console for this browser (signed double submit).

    A random cookie that scripts and other sites can't read, and in the form a signature of it.

    Args:
        secret: The same for all workers behind one address; None makes one up, which a restart forgets.
    """

    cookie = "flowtrail_form"

    def __init__(self, secret: str | None = None) -> None:
        seed = secret.encode() if secret else secrets.token_bytes(32)
        self._key = hashlib.sha256(b"flowtrail forms\0" + seed).digest()

    def issue(self, request: Request) -> tuple[str, str]:
        """The cookie's value, which `keep` has to set, and the token for the form."""
        value = request.cookies.get(self.cookie, "")
        if not (value.isascii() and value.isalnum() and len(value) == 64):
            value = secrets.token_hex(32)
        return value, self._sign(value)

    def keep(self, request: Request, response: Response, value: str) -> None:
        """Give the browser the cookie."""
        response.set_cookie(
            self.cookie,
            value,
            path=prefix() or "/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    def is_valid(self, request: Request, token: str | None) -> bool:
        """Whether a form that came in is one of ours."""
        value = request.cookies.get(self.cookie)
        if not value or not token:
            return False
        return hmac.compare_digest(self._sign(value).encode(), token.encode("utf-8", "replace"))

    def _sign(self, value: str) -> str:
        return hmac.new(self._key, value.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def bearer_of(headers: Headers) -> bytes | None:
    """The token that came along with a request."""
    return _credentials(headers.get("authorization", ""))[1]


def _credentials(authorization: str) -> tuple[str | None, bytes | None]:
    """User name and token of an `Authorization` header."""
    scheme, _, value = authorization.partition(" ")
    given = value.strip().encode("utf-8", "replace")
    if scheme.lower() == "bearer":
        return None, given
    if scheme.lower() != "basic":
        return None, None
    try:
        user, _, token = base64.b64decode(given, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None, None
    return user.decode("utf-8", "replace") or None, token


def _is_own_origin(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True  # not a browser, or one so old that its forms' tokens have to do
    # Only the names: a proxy in front may have taken the TLS off.
    return bool(origin != "null" and urlsplit(origin).netloc.lower() == headers.get("host", "").lower())


def _host_name(headers: Headers) -> str:
    try:
        return urlsplit("//" + headers.get("host", "")).hostname or ""
    except ValueError:
        return ""


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:512])


def _refused(status: int, message: str, realm: str | None = None) -> Response:
    headers = {} if realm is None else {"www-authenticate": f'Basic realm="{realm}", charset="UTF-8"'}
    return Response(json.dumps({"error": message}), status, headers, media_type="application/json")
