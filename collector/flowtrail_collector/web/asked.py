"""What a request may ask for: the names in its endpoint's docstring, and no others.

A filter that is misspelt and ignored selects everything; so what isn't known is refused, wherever it stands. The
docstring's lines `Query:` and `Body:` are what the reference shows, too; a line `Repeatable:` says which of the query's
names may be given several times.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from typing import Any

from starlette.datastructures import QueryParams
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from flowtrail_collector.web.json import ApiError
from flowtrail_collector.wording import did_you_mean

__all__ = ["asked_by", "check_names", "only_known_queries"]

_LINE = r"^\s*{kind}: (.+)\.$"
# Other programs' protocols, and what has no filters: there unknown parameters are none of our business.
_OTHERS = ("/api/", "/v1/", "/metrics", "/healthz", "/readyz", "/static/", "/live", "/auth/callback")


def asked_by(endpoint: Callable[..., Any], kind: str) -> frozenset[str]:
    """The names that an endpoint takes.

    Args:
        endpoint: Its docstring may have lines `Query: a, b.`, `Repeatable: b.` and `Body: a, b.`
        kind: `Query`, `Repeatable` or `Body`.
    """
    found = re.search(_LINE.format(kind=kind), endpoint.__doc__ or "", re.MULTILINE)
    return frozenset(found[1].split(", ")) if found else frozenset()


def check_names(
    names: Iterable[str], known: frozenset[str], repeatable: frozenset[str] = frozenset()
) -> None:
    """Refuse what isn't known, and what is given twice though only one of them could count.

    Raises:
        ApiError: 400, says which.
    """
    seen: set[str] = set()
    for name in names:
        if name not in known:
            raise ApiError(400, _unknown(name, known))
        if name in seen and name not in repeatable:
            raise ApiError(400, f"{name} is given twice")
        seen.add(name)


def only_known_queries(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """The same routes, refusing parameters that their endpoints don't know; Jaeger's and others' as they are."""
    return [
        _checked(route) if isinstance(route, Route) and _is_ours(route.path) else route for route in routes
    ]


def _unknown(name: str, known: frozenset[str]) -> str:
    shown = repr(name[:60])
    if not known:
        return f"{shown} isn't known here: this takes no parameters"
    return f"{shown} isn't known here{did_you_mean(name, known)}: this takes {', '.join(sorted(known))}"


def _is_ours(path: str) -> bool:
    return path.startswith("/api/v1/") or not path.startswith(_OTHERS)


def _checked(route: Route) -> Route:
    checked = copy.copy(route)
    known, repeatable = (asked_by(route.endpoint, kind) for kind in ("Query", "Repeatable"))
    checked.app = _KnownQuery(route.app, known, repeatable)
    return checked


class _KnownQuery:
    def __init__(self, app: ASGIApp, known: frozenset[str], repeatable: frozenset[str]) -> None:
        self._app = app
        self._known = known
        self._repeatable = repeatable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["query_string"]:
            names = (name for name, _ in QueryParams(scope["query_string"]).multi_items())
            check_names(names, self._known, self._repeatable)
        await self._app(scope, receive, send)
