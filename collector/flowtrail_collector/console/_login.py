"""Logging in and out: a page that leads to the provider, and what comes back from there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._pages import html_page
from flowtrail_collector.web.access.model import Access, Role, safe_return
from flowtrail_collector.web.access.ports import InvalidLoginError, ProviderUnreachableError
from flowtrail_collector.web.callers import Refusal, person_asking, remote_of
from flowtrail_collector.web.json import ApiError
from flowtrail_collector.web.prefix import prefix
from flowtrail_collector.web.security import LOGIN_PATH, LOGOUT_PATH, TOKEN_PATH

if TYPE_CHECKING:
    from flowtrail_collector.web.access.login import Login

__all__ = ["LoginPages"]

_CALLBACK = "/auth/callback"
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_AWAY = "The provider doesn’t answer, so nobody can log in at present. Whoever is logged in stays so."


class LoginPages:
    """The pages of a login.

    Args:
        login: Does it.
        issuer: The provider, for people to recognise.
        access: Whether there is a token to get in with instead.
    """

    def __init__(self, login: Login, issuer: str, access: Access) -> None:
        self._login = login
        self._provider = urlsplit(issuer).netloc
        self._has_tokens = any((access.token, access.write_token, access.payload_token))

    def routes(self) -> list[BaseRoute]:
        """Where people and their provider go."""
        return [
            Route(LOGIN_PATH, self._page, methods=["GET"]),
            Route("/auth/start", self._explained(self._start), methods=["GET"]),
            Route(_CALLBACK, self._explained(self._callback), methods=["GET"]),
            Route(LOGOUT_PATH, self._log_out, methods=["POST"]),
            Route("/auth/logged-out", self._logged_out, methods=["GET"]),
            Route(TOKEN_PATH, self._with_token, methods=["GET"]),
        ]

    def _page(self, request: Request) -> Response:
        """The page that leads to the provider, and back to where people wanted to go.

        Query: next.
        """
        return self._shown(request, next_path=safe_return(request.query_params.get("next")))

    async def _start(self, request: Request) -> Response:
        """Leads to the provider.

        Query: next.
        """
        begun = await self._login.begin(_callback_of(request), request.query_params.get("next"))
        response = RedirectResponse(begun.url, 303)
        response.set_cookie(
            begun.cookie, begun.value, max_age=self._login.login_seconds, path=f"{prefix()}/auth", httponly=True,
            samesite="lax", secure=request.url.scheme == "https",
        )  # fmt: skip
        return response

    async def _callback(self, request: Request) -> Response:
        """Where the provider sends people back to."""
        done = await self._login.finish(request.query_params, request.cookies, remote_of(request))
        response = RedirectResponse(f"{prefix()}{done.return_to}", 303)
        for name in request.cookies:
            if name.startswith("flowtrail_login_"):
                response.delete_cookie(name, path=f"{prefix()}/auth")
        response.set_cookie(
            self._login.cookie, done.session, max_age=int(self._login.session_seconds), path=prefix() or "/",
            httponly=True, samesite="lax", secure=request.url.scheme == "https",
        )  # fmt: skip
        return response

    def _log_out(self, request: Request) -> Response:
        """Ends the session of this browser here."""
        response = RedirectResponse(f"{prefix()}/auth/logged-out", 303)
        response.delete_cookie(self._login.cookie, path=prefix() or "/")
        return response

    async def _logged_out(self, request: Request) -> Response:
        """What people see once they have logged out."""
        return self._shown(request, logged_out=True, logout_url=await self._login.logout_url())

    def _with_token(self, request: Request) -> Response:
        """Lets a browser ask for an access token; its path makes it send that everywhere.

        Query: next.
        """
        wanted = safe_return(request.query_params.get("next"))
        if request.state.caller.role >= Role.READ:
            return RedirectResponse(f"{prefix()}{wanted}", 303)
        if not self._has_tokens:
            return RedirectResponse(f"{prefix()}{LOGIN_PATH}?{urlencode({'next': wanted})}", 303)
        return Refusal(401, "an access token is needed, as the password", "flowtrail").response()

    def _shown(self, request: Request, status: int = 200, **values: object) -> Response:
        shown = {
            "provider": self._provider, "next_path": "/", "problem": "", "logged_out": False, "logout_url": None,
            "has_tokens": self._has_tokens, "asking": person_asking(request), **values,
        }  # fmt: skip
        return html_page("login.html", request, status, **{"live": False, **shown})

    def _explained(
        self, act: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """What goes wrong is said on the page, with the way to try again."""

        @wraps(act)
        async def explained(request: Request) -> Response:
            try:
                return await act(request)
            except InvalidLoginError as error:
                return self._shown(request, 403, problem=str(error))
            except ProviderUnreachableError:
                return self._shown(request, 503, problem=_AWAY)

        return explained


def _callback_of(request: Request) -> str:
    """Where this browser reaches the collector; the provider only accepts what was registered there."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise ApiError(400, "that isn't a host name")
    return f"{request.url.scheme}://{host}{prefix()}{_CALLBACK}"
