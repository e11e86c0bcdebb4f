"""`/api/v1/dead-letters` and `/api/v1/redrives`: list, find and show dead letters, dismiss and redrive them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.model.letter import PENDING, Selection
from flowtrail_collector.dead_letters.web.json import (
    audit_json,
    cause_json,
    dossier_json,
    job_json,
    letter_json,
    listed_json,
    write_json,
)
from flowtrail_collector.dead_letters.web.posting import checked, posted
from flowtrail_collector.dead_letters.web.query import (
    check_listed,
    dismissal_of,
    flag_of,
    key_of,
    list_query,
    note_of,
    order_of,
    place_of,
)
from flowtrail_collector.web.callers import actor_of, remote_of
from flowtrail_collector.web.cursors import cursor_of
from flowtrail_collector.web.json import ApiError, int_param, json_response, text_param

__all__ = ["DeskRoutes", "dead_letter_routes"]

_MAX_LIMIT = 1_000
_MOST_CAUSES = 200
_LETTERS, _REDRIVES = "/api/v1/dead-letters", "/api/v1/redrives"


def dead_letter_routes(views: DeadLetterLists) -> list[BaseRoute]:
    """The routes that list dead letters, one by one and by cause."""

    def dead_letters(request: Request) -> Response:
        """Dead letters, the newest first.

        Query: topic, source, group, error, cause, id, flow, since, until, state, limit, after, offset.
        """
        selection, limit, offset = list_query(request)
        check_listed(selection, views)
        found = views.list_dead_letters(selection, limit + 1, offset, after=key_of(request, "after"))
        shown = found[:limit]
        more = cursor_of(shown[-1].key) if shown and len(found) > limit else None
        letters = [listed_json(letter) for letter in shown]
        return json_response({"dead_letters": letters, "limit": limit, "offset": offset, "next": more})

    def causes(request: Request) -> Response:
        """Dead letters by cause, most recent first: how many, since when, and one example.

        Query: topic, source, group, error, cause, id, flow, since, until, state, limit.
        """
        selection, limit, _ = list_query(request)
        check_listed(selection, views)
        selection = replace(selection, state=selection.state or PENDING)
        found = views.list_causes(selection, int(time.time() * 1000), min(limit, _MOST_CAUSES))
        return json_response({"causes": [cause_json(row) for row in found], "limit": limit})

    return [
        Route(_LETTERS, dead_letters, methods=["GET"]),
        Route(f"{_LETTERS}/causes", causes, methods=["GET"]),
    ]


class DeskRoutes:
    """What the dead letter desk answers over HTTP.

    Args:
        desk: What it asks.
        problem: Why redrives don't get on at present.
        lists: Tells which flows and causes there are; None to take any.
    """

    def __init__(
        self,
        desk: RedriveDesk,
        problem: Callable[[], str | None] = lambda: None,
        lists: DeadLetterLists | None = None,
    ) -> None:
        self._desk = desk
        self._lists = lists
        self._problem = problem

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route(f"{_LETTERS}/find", self._find, methods=["GET"]),
            Route(f"{_LETTERS}/audit", self._audit, methods=["GET"]),
            Route(f"{_LETTERS}/survey", self._survey, methods=["GET"]),
            Route(f"{_LETTERS}/redrive", posted(self._redrive), methods=["POST"]),
            Route(f"{_LETTERS}/dismiss", posted(self._dismiss), methods=["POST"]),
            Route(_LETTERS + "/{topic}/{partition}/{offset}", self._show, methods=["GET"]),
            Route(_REDRIVES, self._redrives, methods=["GET"]),
            Route(_REDRIVES + "/{id}", self._one_redrive, methods=["GET"]),
            Route(_REDRIVES + "/{id}/cancel", posted(self._cancel), methods=["POST"]),
        ]

    def _show(self, request: Request) -> Response:
        """Everything about one dead letter: headers, key, what was done with it; never its payload."""
        dossier = self._desk.show(place_of(request))
        if dossier is None:
            raise ApiError(404, "no such dead letter")
        return json_response(dossier_json(dossier))

    def _find(self, request: Request) -> Response:
        """The dead letters of an event, a flow or an order.

        Query: id, limit.
        """
        letters = self._desk.find(_wanted(request), int_param(request, "limit", 20, _MAX_LIMIT))
        return json_response({"dead_letters": [letter_json(letter) for letter in letters]})

    def _survey(self, request: Request) -> Response:
        """What a redrive would do, counted: as its `dry_run` answers, for whoever may only read.

        Query: topic, partition, offset, source, group, error, cause, id, flow, since, until, state, as_of, to, replay_limit.
        """
        order = order_of(request.query_params, actor_of(request))
        self._check(order.selection)
        return checked(lambda: json_response(self._desk.survey(order)))

    def _redrive(self, request: Request, values: Mapping[str, Any]) -> Response:
        """Starts a redrive (202); with `dry_run` only counts what it would do.

        Body: topic, partition, offset, source, group, error, cause, id, flow, since, until, state, all, as_of, expected_total, to, rate, replay_limit, dry_run, by.
        """
        order = order_of(values, actor_of(request, _by(values)))
        self._check(order.selection)
        if flag_of(values, "dry_run"):
            return json_response(self._desk.survey(order))
        _check_everything(order.selection, values)
        return json_response(job_json(self._desk.start(order, remote_of(request)), self._problem()), 202)

    def _dismiss(self, request: Request, values: Mapping[str, Any]) -> Response:
        """Marks dead letters as dealt with; with `dry_run` only counts them.

        Body: topic, partition, offset, source, group, error, cause, id, flow, since, until, state, all, as_of, expected_total, note, dry_run, by.
        """
        order = dismissal_of(values, actor_of(request, _by(values)))
        selection = order.selection
        self._check(selection)
        if flag_of(values, "dry_run"):
            fixed = self._desk.fixed(selection)
            return json_response({"matching": self._desk.count(fixed), "as_of": fixed.as_of})
        _check_everything(selection, values)
        note = note_of(values)
        dismissed = self._desk.dismiss(order, note, remote_of(request))
        return json_response({"dismissed": dismissed})

    def _check(self, selection: Selection) -> None:
        if self._lists is not None:
            check_listed(selection, self._lists)

    def _redrives(self, request: Request) -> Response:
        """Redrives, the newest first.

        Query: limit.
        """
        found = self._desk.jobs(int_param(request, "limit", 20, _MAX_LIMIT))
        return json_response({"redrives": [job_json(job, self._problem()) for job in found]})

    def _one_redrive(self, request: Request) -> Response:
        """How far a redrive is."""
        found = self._desk.job(request.path_params["id"][:64])
        if found is None:
            raise ApiError(404, "no such redrive")
        return json_response(job_json(found, self._problem()))

    def _cancel(self, request: Request, values: Mapping[str, Any]) -> Response:
        """Stops a redrive after the current batch.

        Body: by.
        """
        actor = actor_of(request, _by(values))
        found = self._desk.cancel(request.path_params["id"][:64], actor, remote_of(request))
        if found is None:
            raise ApiError(404, "no such redrive")
        return json_response(job_json(found, self._problem()))

    def _audit(self, request: Request) -> Response:
        """What was asked for by whom, and where each dead letter went.

        Query: redrive, limit.
        """
        limit = int_param(request, "limit", 50, _MAX_LIMIT)
        lines = self._desk.audit(limit, text_param(request, "redrive"))
        return json_response(
            {
                "moved": [audit_json(line) for line in lines],
                "writes": [write_json(line) for line in self._desk.writes(limit)],
            }
        )


def _check_everything(selection: Selection, values: Mapping[str, Any]) -> None:
    if not flag_of(values, "all") and selection.is_everything:
        raise ApiError(400, 'that would select every dead letter: narrow it down, or send "all": true')


def _by(values: Mapping[str, Any]) -> str | None:
    by = values.get("by")
    return by if isinstance(by, str) else None


def _wanted(request: Request) -> str:
    wanted = text_param(request, "id")
    if wanted is None:
        raise ApiError(400, "id is needed: of an event, a flow or an order")
    return wanted
