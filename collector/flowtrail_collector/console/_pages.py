"""What pages have in common: the answer itself, turning to the next one, errors for people, static files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from flowtrail_collector.console._render import STATIC_FILES, render, static_text
from flowtrail_collector.console._typed import unpacked
from flowtrail_collector.web.callers import person_asking
from flowtrail_collector.web.json import ApiError

Row = TypeVar("Row")
PAGE_ROWS = 50
"""Rows of a list on one page."""
_TITLES = {
    404: "Not found",
    401: "Access token needed",
    403: "Not allowed",
    400: "Invalid request",
    500: "Internal error",
}
TYPED = {
    "value": "Value", "key": "Key", "headers": "Headers to change", "reason": "Why", "note": "Why",
    "to": "To another topic", "rate": "Most per second", "replay_limit": "Replay limit",
}  # fmt: skip
"""What people type into forms, by name: how the page calls it."""
_EDIT = "edit"
# What HTTP allows in a path as it is.
_PATH_SAFE = "/:@!$&'()*+,;=~-._"


def html_page(template: str, request: Request, status: int = 200, /, **values: Any) -> Response:
    """A page; without `live=False`, one that loads itself again when something has changed."""
    shown = {
        "path": request.url.path, "wanted": "", "live": status == 200, "person": person_asking(request), **values
    }  # fmt: skip
    return HTMLResponse(render(template, **shown), status)


def error_page(request: Request, status: int, message: str) -> Response:
    """An error for people."""
    title = _TITLES.get(status, "Something went wrong")
    return html_page("error.html", request, status, message=message, title=title)


def not_sent_page(request: Request, status: int, message: str, values: Mapping[str, str]) -> Response:
    """A form that wasn't taken, with all that it held: it can be copied, and sent again once what is wrong is mended.

    Args:
        request: What brought it.
        status: HTTP status.
        message: Why.
        values: What it held; of an edit that was reviewed, what it is packed into.
    """
    shown = {name: text for name, text in values.items() if name in TYPED and text}
    if _EDIT in values:
        with suppress(ValueError):
            shown = {name: text for name, text in unpacked(values[_EDIT]).items() if name in TYPED and text}
    kept = {name: text for name, text in values.items() if _EDIT in values or name not in shown}
    page = html_page(
        "not_sent.html", request, status, message=message, shown=shown, kept=kept, names=TYPED,
        fixed=_EDIT in values, logged_out=status == 401, again=bool(values) and status not in (403, 409),
        action="/" + quote(request.scope["path"].lstrip("/"), safe=_PATH_SAFE),
    )  # fmt: skip
    if status == 401:
        page.headers["www-authenticate"] = 'Bearer realm="flowtrail"'
    return page


def not_sent_form(request: Request, message: str, body: bytes | None) -> Response:
    """The same for somebody who has to log in first.

    Args:
        request: What brought the form.
        message: Why it wasn't taken.
        body: The form as it came; None if it is too long to be kept.
    """
    if body is None:
        return not_sent_page(request, 401, f"{message}; it was too long to be kept", {})
    try:
        values = dict(parse_qsl(body.decode(), max_num_fields=50, errors="strict"))
    except ValueError:
        values = {}
    return not_sent_page(request, 401, message, values)


def paging(address: Callable[[int], str], offset: int, limit: int, found: int) -> dict[str, str | None]:
    """Where the pages before and after this one are.

    Args:
        address: Of the page that begins with a row.
        offset: The first row of this page.
        limit: How many rows it shows.
        found: How many there were, when asked for one more.
    """
    return {
        "previous_page": address(max(0, offset - limit)) if offset else None,
        "next_page": address(offset + limit) if found > limit else None,
    }


def turned(
    found: Sequence[Row],
    limit: int,
    cursor: Callable[[Row], str],
    *,
    after: object = None,
    before: object = None,
) -> tuple[Sequence[Row], tuple[str | None, str | None]]:
    """The rows of a page, and the cursors of the first and the last one, where there are others before or behind.

    Args:
        found: Those that were found, one more than the page has room for if there are any.
        limit: How many it has room for.
        cursor: Names a row's place.
        after: The page begins behind this place.
        before: It ends before this place; then the one too many is the first.
    """
    more = len(found) > limit
    rows = found if not more else found[1:] if before is not None else found[:limit]
    if not rows:
        return rows, (None, None)
    is_first = after is None and not (before is not None and more)
    is_last = before is None and not more
    return rows, (None if is_first else cursor(rows[0]), None if is_last else cursor(rows[-1]))


def pages(
    neighbours: tuple[str | None, str | None], address: Callable[[dict[str, str]], str]
) -> dict[str, str | None]:
    """Where the pages before and behind one are; for the arguments see `turned`."""
    first, last = neighbours
    return {
        "previous_page": None if first is None else address({"before": first}),
        "next_page": None if last is None else address({"after": last}),
    }


def static_file(request: Request) -> Response:
    """What the pages load: style sheet, scripts, picture."""
    name = request.path_params["name"]
    if name not in STATIC_FILES:
        raise ApiError(404, "no such file")
    # Revalidated on every load: an upgraded collector must not meet an old style sheet.
    return Response(
        static_text(name), headers={"cache-control": "no-cache", "content-type": STATIC_FILES[name]}
    )
