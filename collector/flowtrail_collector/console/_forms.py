"""Pages with forms: how they are made, and how what they send comes in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from flowtrail_collector.console._pages import html_page
from flowtrail_collector.dead_letters.web.posting import MAX_BODY_BYTES, body_of, checked
from flowtrail_collector.web.access.model import Role
from flowtrail_collector.web.asked import asked_by, check_names
from flowtrail_collector.web.callers import may
from flowtrail_collector.web.form_tokens import FormTokens
from flowtrail_collector.web.json import ApiError

__all__ = ["FormPages", "Values", "answering", "posted"]

_NO_FORM = "this form has expired or is not from this page: go back, reload, and send it again"
Values = Mapping[str, str]


class FormPages:
    """Pages with forms.

    Args:
        forms: Makes and checks the forms' tokens.
        writable: Somebody can write here; otherwise the forms say why not.
    """

    def __init__(self, forms: FormTokens, *, writable: bool) -> None:
        self.tokens = forms
        self._writable = writable

    def page(self, request: Request, template: str, **values: Any) -> Response:
        """A page whose forms carry a token."""
        cookie, token = self.tokens.issue(request)
        writable = self._writable and may(request, Role.WRITE)
        values = {"live": False, "writable": writable, "form_token": token, **values}
        response = html_page(template, request, **values)
        if self._writable:
            self.tokens.keep(request, response, cookie)
        return response


def posted(
    act: Callable[[Request, Values], Response], tokens: FormTokens, max_bytes: int = MAX_BODY_BYTES
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of a form of at most so many bytes; only one of our own gets in."""
    known = asked_by(act, "Body")

    @wraps(act)
    async def endpoint(request: Request) -> Response:
        values = await _form(request, known, max_bytes)
        if not tokens.is_valid(request, values.get("form_token")):
            request.state.caller.log_refused(403)
            raise ApiError(403, _NO_FORM)
        return await run_in_threadpool(checked, lambda: act(request, values))

    return endpoint


def answering(page: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """The endpoint of a page, with the collector's own errors as answers."""

    @wraps(page)
    def answered(request: Request) -> Response:
        return checked(lambda: page(request))

    return answered


async def _form(request: Request, known: frozenset[str], max_bytes: int) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise ApiError(415, "a form is required")
    body = await body_of(request, "the form is too large", max_bytes)
    try:
        pairs = parse_qsl(body.decode(), max_num_fields=50)
    except (ValueError, UnicodeDecodeError):
        raise ApiError(400, "that form isn't from this page") from None
    check_names((name for name, _ in pairs), known)
    return dict(pairs)
