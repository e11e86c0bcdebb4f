"""The console's list of dead letters, by filters, and by cause."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._chart import Spark
from flowtrail_collector.console._forms import FormPages, Values, answering
from flowtrail_collector.console._pages import PAGE_ROWS, pages, turned
from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.letter import PENDING, QUARANTINED, STATES
from flowtrail_collector.dead_letters.web.json import cause_json, listed_json
from flowtrail_collector.dead_letters.web.query import FIELDS, check_listed, key_of, list_query
from flowtrail_collector.web.cursors import cursor_of

__all__ = ["DeadLetterList"]

_MOST_CAUSES = 20
_MOVABLE = (PENDING, QUARANTINED)


class DeadLetterList:
    """The page that lists dead letters.

    Args:
        views: Lists them.
        forms: Makes the page.
        sparks: How many were pending over the last hours, by cause.
    """

    def __init__(
        self,
        views: DeadLetterLists,
        forms: FormPages,
        *,
        sparks: Callable[[], Mapping[str, Spark]] = dict,
    ) -> None:
        self._views = views
        self._page = forms.page
        self._sparks = sparks

    def routes(self) -> list[BaseRoute]:
        """The page."""
        return [Route("/dead-letters", answering(self._list), methods=["GET"])]

    def _list(self, request: Request) -> Response:
        """Dead letters.

        Query: topic, source, group, error, cause, id, flow, since, until, state, limit, after, before, offset.
        """
        selection, limit, offset = list_query(request)
        check_listed(selection, self._views)
        shown = min(limit, PAGE_ROWS)
        one_state = replace(selection, state=selection.state or PENDING)
        turn = {name: key_of(request, name) for name in ("after", "before")}
        found = self._views.list_dead_letters(selection, shown + 1, offset, **turn)
        if turn["before"] is not None and len(found) <= shown:
            # That is the first page, and it has room for more.
            turn, found = {}, self._views.list_dead_letters(selection, shown + 1)
        behind = turn.get("after") or offset or None
        page, neighbours = turned(
            found, shown, lambda letter: cursor_of(letter.key), after=behind, before=turn.get("before")
        )
        causes = []
        if neighbours[0] is None:
            causes = self._views.list_causes(one_state, int(time.time() * 1000), _MOST_CAUSES)
        values = _filters(request.query_params)
        return self._page(
            request,
            "dead_letters.html",
            live=True,
            letters=[listed_json(letter) for letter in page],
            causes=[_cause(row, {**values, "state": one_state.state or ""}) for row in causes],
            values=values,
            choices=_choices(self._views, values),
            sparks=self._sparks() if causes else {},
            states=STATES,
            narrowed=urlencode({**values, "state": values.get("state") or PENDING}),
            can_move=values.get("state", PENDING) in _MOVABLE,
            **pages(neighbours, lambda more: "?" + urlencode({**values, **more})),
        )


def _filters(values: Values) -> dict[str, str]:
    """The filters of a list; `offset` is where its page begins."""
    return {name: values[name] for name in FIELDS if name not in ("offset", "partition") and values.get(name)}


def _choices(views: DeadLetterLists, values: Values) -> dict[str, list[str]]:
    """What can be chosen by the name of a filter; what is chosen is always among it."""
    known = {**views.letter_values(), "flow": sorted(views.known_flows())}
    return {
        name: sorted({*there, *filter(None, [values.get(name)])}) for name, there in known.items() if there
    }


def _cause(row: CauseRow, values: Values) -> dict[str, Any]:
    """A cause with the query that narrows to it; only one that the store knows by name can be narrowed to."""
    found = cause_json(row)
    return {**found, "query": row.cause and urlencode({**values, "cause": row.cause})}
