"""Pages with forms: how they are made, and how what they send comes in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from flowtrail_collector.console._pages import TYPED, html_page, not_sent_page
from flowtrail_collector.dead_letters.web.posting import MAX_BODY_BYTES, body_of, checked
from flowtrail_collector.web.access.model import Role
from flowtrail_collector.web.asked import asked_by, check_names
from flowtrail_collector.web.callers import is_for_people, may
from flowtrail_collector.web.form_tokens import FormTokens
from flowtrail_collector.web.json import ApiError

__all__ = ["NO_FORM", "FormPages", "Values", "answering", "field_of", "posted", "problem_of"]

NO_FORM = "this form has expired or is not from this page: go back, reload, and send it again"
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

    def page(self, request: Request, template: str, status: int = 200, /, **values: Any) -> Response:
        """A page whose forms carry a token."""
        cookie, token = self.tokens.issue(request)
        writable = self._writable and may(request, Role.WRITE)
        values = {"live": False, "writable": writable, "form_token": token, **values}
        response = html_page(template, request, status, **values)
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
        try:
            if not tokens.is_valid(request, values.get("form_token")):
                request.state.caller.log_refused(403)
                raise ApiError(403, NO_FORM)
            return await run_in_threadpool(checked, lambda: act(request, values))
        except ApiError as error:
            if not (TYPED.keys() | {"edit"}) & values.keys() or not is_for_people(request):
                raise
            return not_sent_page(request, error.status, error.message, values)

    return endpoint


def problem_of(call: Callable[[], Response]) -> Response | str:
    """The answer, or in one line what is wrong with what somebody typed.

    Raises:
        ApiError: Something else is wrong.
    """
    try:
        return checked(call)
    except ApiError as error:
        if error.status != 400:
            raise
        return error.message


def field_of(problem: str, names: Collection[str]) -> str | None:
    """The field that a line about what somebody typed is about; None if it is about all of them."""
    word = problem.replace("header ", "headers ", 1).split(" ", 1)[0].rstrip(":")
    return word if word in names else None


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
        pairs = parse_qsl(body.decode(), max_num_fields=50, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise ApiError(400, "that form isn't from this page") from None
    check_names((name for name, _ in pairs), known)
    return dict(pairs)
