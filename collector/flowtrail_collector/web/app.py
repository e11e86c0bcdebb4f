"""The web application, put together from routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from flowtrail_collector.web._guard import Guard
from flowtrail_collector.web._json import ApiError, json_response

_MESSAGES = {404: "no such page", 405: "this method isn't allowed here"}


def build_app(
    routes: Sequence[BaseRoute], *, token: str | None, on_error: Callable[[str, Exception], None]
) -> ASGIApp:
    """The application behind the collector's one address.

    Args:
        routes: Of all parts.
        token: Access token that requests must carry, None for no check.
        on_error: Called with `web` and whatever an endpoint let through.
    """
    app = Starlette(
        routes=list(routes),
        exception_handlers={ApiError: _api_error, HTTPException: _http_error, Exception: _failure},
    )
    return Guard(app, token=token, on_error=on_error)


def _api_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return json_response({"error": error.message}, error.status)


def _failure(request: Request, error: Exception) -> Response:
    # Starlette raises the error again after this answer; the guard logs and counts it there.
    return json_response({"error": "internal error; the collector's log has the details"}, 500)


def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = _MESSAGES.get(error.status_code, str(error.detail))
    return json_response({"error": message}, error.status_code, dict(error.headers or {}))
