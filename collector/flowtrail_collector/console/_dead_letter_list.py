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
from flowtrail_collector.console._pages import PAGE_ROWS, paging
from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.letter import PENDING, QUARANTINED, STATES
from flowtrail_collector.dead_letters.ports import DeadLetterLists
from flowtrail_collector.dead_letters.web.json import cause_json, listed_json
from flowtrail_collector.dead_letters.web.query import FIELDS, check_listed, list_query

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

        Query: topic, source, group, error, cause, id, flow, since, until, state, limit, offset.
        """
        selection, limit, offset = list_query(request)
        check_listed(selection, self._views)
        shown = min(limit, PAGE_ROWS)
        one_state = replace(selection, state=selection.state or PENDING)
        causes = [] if offset else self._views.list_causes(one_state, int(time.time() * 1000), _MOST_CAUSES)
        found = self._views.list_dead_letters(selection, shown + 1, offset)
        values = _filters(request.query_params)
        return self._page(
            request,
            "dead_letters.html",
            live=True,
            letters=[listed_json(letter) for letter in found[:shown]],
            causes=[_cause(row, {**values, "state": one_state.state or ""}) for row in causes],
            values=values,
            choices=_choices(self._views, values),
            sparks=self._sparks() if causes else {},
            states=STATES,
            narrowed=urlencode({**values, "state": values.get("state") or PENDING}),
            can_move=values.get("state", PENDING) in _MOVABLE,
            **paging(lambda at: "?" + urlencode({**values, "offset": at}), offset, shown, len(found)),
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
