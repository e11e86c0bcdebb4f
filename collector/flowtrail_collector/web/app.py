"""The web application, put together from routes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from flowtrail_collector.web.access.model import Access, Role
from flowtrail_collector.web.access.ports import People
from flowtrail_collector.web.asked import only_known_queries
from flowtrail_collector.web.callers import is_for_people
from flowtrail_collector.web.json import ApiError, json_response
from flowtrail_collector.web.prefix import Proxies, UnderPrefix
from flowtrail_collector.web.security import Guard, NotSent

_MESSAGES = {404: "no such page", 405: "method not allowed"}


ErrorPage = Callable[[Request, int, str], Response]


def build_app(
    routes: Sequence[BaseRoute],
    *,
    token: str | None,
    on_error: Callable[[str, Exception], None],
    error_page: ErrorPage | None = None,
    write_token: str | None = None,
    local: bool = False,
    root_path: str = "",
    trusted_proxies: Proxies = (),
    otherwise: ASGIApp | None = None,
    others: Collection[str] = (),
    payload_token: str | None = None,
    people: People | None = None,
    not_sent: NotSent | None = None,
) -> ASGIApp:
    """The application behind the collector's one address.

    Args:
        routes: Of all parts.
        token: Access token that requests must carry, None for no check.
        on_error: Called with `web` and whatever an endpoint let through.
        error_page: Shows an error to people who look with a browser; everybody else gets JSON.
        write_token: What changes something must carry this one.
        local: Only this machine can reach the address; see `Access`.
        root_path: The path under which a reverse proxy offers the collector; empty: none.
        trusted_proxies: Those whose headers are believed; see `UnderPrefix`.
        otherwise: Answers what no route does; None: nothing does.
        others: First parts of the paths that it answers.
        payload_token: What shows payloads must carry this one; None: the write token.
        people: Who logs in; None: nobody does.
        not_sent: Shows people who have to log in first the form that they sent; see `Guard`.
    """

    def answer(request: Request, error: Exception) -> Response:
        status, message = _wording(error)
        if error_page is not None and is_for_people(request):
            return error_page(request, status, message)
        return json_response({"error": message}, status)

    # For an unexpected error, Starlette raises it again after the answer; the guard logs and counts it.
    app = Starlette(
        routes=only_known_queries(routes),
        exception_handlers={ApiError: answer, HTTPException: answer, Exception: answer},
    )
    access = Access(token, write_token, local, payload_token, people.highest if people else Role.NONE)
    guard = Guard(app, access=access, on_error=on_error, people=people, refused=error_page, not_sent=not_sent)
    if otherwise is not None:
        app.router.default = otherwise
    own = {*others} | {path.split("/", 2)[1] for route in routes if (path := getattr(route, "path", "/"))}
    return UnderPrefix(guard, root_path=root_path, trusted=trusted_proxies, own=own)


def _wording(error: Exception) -> tuple[int, str]:
    if isinstance(error, ApiError):
        return error.status, error.message
    if isinstance(error, HTTPException):
        return error.status_code, _MESSAGES.get(error.status_code, str(error.detail))
    return 500, "internal error; see the collector's log for details"
