"""What every request passes: who asks, the origin of writes, security headers, a last resort for errors.

Reading and writing are two roles. Whatever isn't a GET is a write (only the OTLP receiver isn't), so that no
route can forget to ask. A browser sends stored credentials along wherever a request comes from: a write has to
come from the console's own pages (`Sec-Fetch-Site`, else `Origin`), and a form carries a token of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowtrail_collector.web.access.model import Access, Person, Role
from flowtrail_collector.web.access.ports import InvalidTokenError, People, ProviderUnreachableError
from flowtrail_collector.web.callers import Caller, Refusal, bearer_of, credentials
from flowtrail_collector.web.prefix import prefix

__all__ = ["LOGIN_PATH", "LOGOUT_PATH", "TOKEN_PATH", "Guard", "NotSent"]

logger = logging.getLogger("flowtrail_collector")

LOGIN_PATH = "/auth/login"
"""The page that people are sent to who aren't logged in."""
LOGOUT_PATH = "/auth/logout"
TOKEN_PATH = "/with-token"  # noqa: S105 - a path
"""Not below another one: browsers send a password that was asked for here to every path beside it."""
# Load balancers and kubelets ask without credentials, and learn nothing but yes or no.
_OPEN_PATHS = frozenset({"/healthz"})
# What logging in takes, and what its page looks like.
_OPEN_TO_LOG_IN = ("/auth/", "/static/", TOKEN_PATH)
# Spans are sent in with the token for reading, and change nothing that people decided.
_RECEIVERS = ("/v1/",)
# Programs ask here, which have a token or need none: whether people log in changes nothing for them.
_FOR_MACHINES = frozenset({"/metrics", "/readyz"})
# What HTTP allows in a path as it is.
_PATH_SAFE = "/:@!$&'()*+,;=~-._"
_READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
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
_OTHER_SITE = "request from another site refused: writes must come from the console's own pages"
_SESSION_ENDED = "your session has ended: log in again, then send this again"
# Whoever isn't logged in can't fill the memory: what is longer isn't shown back.
_MAX_SHOWN_BACK = 4_194_304
NotSent = Callable[[Request, str, bytes | None], Response]
_NO_ANSWER = "the OIDC provider doesn't answer, so that token can't be checked: try again in a moment"


class Guard:
    """ASGI middleware around the whole application.

    Credentials come as `Authorization: Bearer TOKEN`, or as the password of basic authentication, which is what
    browsers can ask for; its user name is who the audit names. People who log in have a session's cookie, programs
    may send a token of the same provider.

    Args:
        app: What it guards.
        access: Which token gives which role.
        on_error: Called with `web` and whatever an endpoint let through.
        people: Who somebody is, None where nobody logs in.
        refused: Shows people a status and a message; None: as JSON.
        not_sent: Shows people who have to log in first the form that they sent, which would be lost, and why; the form
            is None if it is too long.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        on_error: Callable[[str, Exception], None],
        people: People | None = None,
        refused: Callable[[Request, int, str], Response] | None = None,
        not_sent: NotSent | None = None,
    ) -> None:
        self._app = app
        self._access = access
        self._on_error = on_error
        self._people = people
        self._refused = refused
        self._not_sent = not_sent

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

        refusal = await self._refusal(scope, receive)
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

    async def _refusal(self, scope: Scope, receive: Receive) -> Response | None:
        path, headers = scope["path"], Headers(scope=scope)
        if path in _OPEN_PATHS:
            return None
        try:
            caller = await self._caller(scope, headers)
        except ProviderUnreachableError:
            return Refusal(503, _NO_ANSWER).response()
        scope.setdefault("state", {})["caller"] = caller
        is_receiver = path.startswith(_RECEIVERS)
        is_read = scope["method"] in _READ_METHODS
        if self._people is not None and path.startswith(_OPEN_TO_LOG_IN):
            return None if is_read or _is_own_origin(headers) else Refusal(403, _OTHER_SITE).response()
        if (is_receiver or path in _FOR_MACHINES) and self._access.lets_machines_read(bearer_of(headers)):
            return None
        refusal = caller.refusal(Role.READ)
        if refusal is not None:
            return (
                self._to_login(scope, headers, caller)
                or await self._shown_back(scope, receive, headers, caller)
                or self._shown(scope, headers, caller, refusal)
            )
        if is_read or is_receiver:
            return None
        refusal = self._write_refusal(headers, caller)
        if refusal is None:
            return None
        caller.log_refused(refusal.status)
        return self._shown(scope, headers, caller, refusal)

    async def _caller(self, scope: Scope, headers: Headers) -> Caller:
        user, given = credentials(headers.get("authorization", ""))
        role = self._access.role_of(given, _host_name(headers))
        client = scope.get("client") or ("?",)
        what = (scope["method"], scope["path"], str(client[0]))
        person, trouble = None, ""
        if self._people is not None and role is Role.NONE:
            person, trouble = await self._person(scope, headers, given)
        if person is not None:
            role = person.role
        return Caller(self._access, role, what, user, bool(given), person, trouble)

    async def _person(self, scope: Scope, headers: Headers, given: bytes | None) -> tuple[Person | None, str]:
        """Who it is, and otherwise why a token isn't valid."""
        assert self._people is not None
        if "authorization" not in headers:
            return self._people.by_cookies(Request(scope).cookies), ""
        try:
            return (await self._people.by_token(given) if given else None), ""
        except InvalidTokenError as error:
            return None, f"that token of the OIDC provider isn't valid: {error}"

    def _write_refusal(self, headers: Headers, caller: Caller) -> Refusal | None:
        if not _is_own_origin(headers):
            return Refusal(403, _OTHER_SITE)
        # Browsers say where a write comes from; a session's cookie comes from a browser.
        by_session = caller.person is not None and "authorization" not in headers
        if by_session and "sec-fetch-site" not in headers and "origin" not in headers:
            return Refusal(403, _OTHER_SITE)
        return caller.refusal(Role.WRITE)

    def _to_login(self, scope: Scope, headers: Headers, caller: Caller) -> Response | None:
        """People who look at a page go on to log in; programs and scripts are told."""
        if self._people is None or caller.person is not None or "authorization" in headers:
            return None
        if scope["method"] != "GET" or not _is_for_people(scope["path"], headers):
            return None
        query = scope["query_string"].decode("latin-1")
        path = quote(scope["path"], safe=_PATH_SAFE)
        asked = f"{path}?{query}" if query else path
        return RedirectResponse(f"{prefix()}{LOGIN_PATH}?{urlencode({'next': asked})}", 303)

    async def _shown_back(
        self, scope: Scope, receive: Receive, headers: Headers, caller: Caller
    ) -> Response | None:
        """A form of people whose session has ended, so that what they typed isn't lost."""
        if self._people is None or self._not_sent is None or caller.person is not None:
            return None
        if "authorization" in headers or not _is_for_people(scope["path"], headers):
            return None
        is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        if scope["method"] != "POST" or not is_form or not _is_own_origin(headers):
            return None
        body = bytearray()
        async for chunk in Request(scope, receive).stream():
            body += chunk
            if len(body) > _MAX_SHOWN_BACK:
                return self._not_sent(Request(scope), _SESSION_ENDED, None)
        return self._not_sent(Request(scope), _SESSION_ENDED, bytes(body))

    def _shown(self, scope: Scope, headers: Headers, caller: Caller, refusal: Refusal) -> Response:
        if self._refused is None or caller.person is None or not _is_for_people(scope["path"], headers):
            return refusal.response()
        return self._refused(Request(scope), refusal.status, refusal.message)


def _is_for_people(path: str, headers: Headers) -> bool:
    return not path.startswith(("/api/", "/v1/")) and "text/html" in headers.get("accept", "")


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
