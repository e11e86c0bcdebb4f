"""What pages have in common: the answer itself, turning to the next one, errors for people, static files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from flowtrail_collector.console._render import STATIC_FILES, render, static_text
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
