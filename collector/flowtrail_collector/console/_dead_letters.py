"""The console's dead letter desk: list, look, send back, dismiss; forms and links only, no script needed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._chart import Spark
from flowtrail_collector.console._forms import FormPages, Values, answering, posted
from flowtrail_collector.console._pages import PAGE_ROWS, pages, turned
from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.letter import PENDING, QUARANTINED, STATES, Selection
from flowtrail_collector.dead_letters.web.json import (
    audit_json,
    cause_json,
    dossier_json,
    job_json,
    listed_json,
    write_json,
)
from flowtrail_collector.dead_letters.web.query import (
    FIELDS,
    check_listed,
    dismissal_of,
    key_of,
    list_query,
    note_of,
    order_of,
    place_of,
    query_of,
    selection_of,
)
from flowtrail_collector.web.access.model import Role
from flowtrail_collector.web.callers import actor_of, may, remote_of
from flowtrail_collector.web.cursors import cursor_of
from flowtrail_collector.web.json import ApiError
from flowtrail_collector.web.prefix import prefix

__all__ = ["DeadLetterPages"]

_REFRESH_SECONDS = 1
_MOST_CAUSES = 20
_MOST_RECORDS = 20
_TRACE = re.compile(r"stack[-_.]?trace$", re.IGNORECASE)
_MOVABLE = (PENDING, QUARANTINED)
_TITLES = {
    "by_error": "By error", "by_source_topic": "By topic they came from", "by_age": "By age",
    "by_target": "Would go to", "refused": "Would stay",
}  # fmt: skip


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


class DeadLetterPages:
    """Pages about single dead letters and redrives.

    Args:
        desk: Sends them back.
        forms: Makes the pages, and checks their forms.
        problem: Why redrives don't get on at present.
        payloads: Whether there are pages that show payloads.
    """

    def __init__(
        self,
        desk: RedriveDesk,
        forms: FormPages,
        *,
        problem: Callable[[], str | None] = lambda: None,
        payloads: bool = False,
    ) -> None:
        self._desk = desk
        self._payloads = payloads
        self._page, self._tokens = forms.page, forms.tokens
        self._problem = problem

    def routes(self) -> list[BaseRoute]:
        """The pages, and where their forms go."""
        asks = {"/dead-letters/redrive": self._ask_redrive, "/dead-letters/dismiss": self._ask_dismiss}
        acts = {
            "/dead-letters/redrive": self._redrive,
            "/dead-letters/dismiss": self._dismiss,
            "/redrives/{id}/cancel": self._cancel,
        }
        pages = {
            **asks,
            "/dead-letters/{topic}/{partition}/{offset}": self._one,
            "/redrives": self._redrives,
            "/redrives/{id}": self._job,
        }
        return [
            *(Route(path, answering(page), methods=["GET"]) for path, page in pages.items()),
            *(Route(path, posted(act, self._tokens), methods=["POST"]) for path, act in acts.items()),
        ]

    def _one(self, request: Request) -> Response:
        """One dead letter."""
        dossier = self._desk.show(place_of(request))
        if dossier is None:
            raise ApiError(404, "No such dead letter is known here.")
        data = dossier_json(dossier)
        letter = data["dead_letter"]
        place = {"topic": letter["topic"], "partition": letter["partition"], "offset": letter["offset"]}
        narrowed = urlencode({**place, "state": letter["state"]})
        can_move = letter["state"] in _MOVABLE
        traces, headers = _parted((data["record"] or {}).get("headers", ()))
        return self._page(
            request, "dead_letter.html", letter=letter, record=data["record"], problem=data["problem"],
            history=data["history"], traces=traces, headers=headers, narrowed=narrowed, can_move=can_move, payloads=self._payloads and may(request, Role.PAYLOAD),
        )  # fmt: skip

    def _ask_redrive(self, request: Request) -> Response:
        """What a redrive would do, and the form that starts it.

        Query: topic, partition, offset, source, group, error, cause, id, flow, since, until, state, to, rate, replay_limit.
        """
        order = order_of(request.query_params, "")
        order = replace(order, selection=self._desk.fixed(order.selection))
        counted = self._desk.survey(order)
        histograms = [(title, _bars(counted[name])) for name, title in _TITLES.items() if counted[name]]
        return self._page(
            request,
            "redrive.html",
            total=counted["total"],
            unmeasured=counted["unmeasured"],
            histograms=histograms,
            selection=query_of(order.selection),
            as_of=order.selection.as_of,
            everything=order.selection.is_everything,
            records=[listed_json(letter) for letter in self._desk.first(order.selection, _MOST_RECORDS)],
            order=order,
        )

    def _ask_dismiss(self, request: Request) -> Response:
        """How many would be dismissed, and the form that does it.

        Query: topic, partition, offset, source, group, error, cause, id, flow, since, until, state.
        """
        selection = self._desk.fixed(selection_of(request.query_params))
        return self._page(
            request,
            "dismiss.html",
            total=self._desk.count(selection),
            selection=query_of(selection),
            as_of=selection.as_of,
            everything=selection.is_everything,
            records=[listed_json(letter) for letter in self._desk.first(selection, _MOST_RECORDS)],
        )

    def _redrive(self, request: Request, values: Values) -> Response:
        """Starts a redrive.

        Body: topic, partition, offset, source, group, error, cause, id, flow, since, until, state, as_of, expected_total, to, rate, replay_limit, all, form_token.
        """
        order = order_of(values, actor_of(request, "the console"))
        _check_everything(order.selection, values)
        job = self._desk.start(order, remote_of(request))
        return RedirectResponse(f"{prefix()}/redrives/{job.id}", 303)

    def _dismiss(self, request: Request, values: Values) -> Response:
        """Dismisses.

        Body: topic, partition, offset, source, group, error, cause, id, flow, since, until, state, as_of, expected_total, all, note, form_token.
        """
        order = dismissal_of(values, actor_of(request, "the console"))
        _check_everything(order.selection, values)
        self._desk.dismiss(order, note_of(values), remote_of(request))
        return RedirectResponse(f"{prefix()}/dead-letters?state=dismissed", 303)

    def _cancel(self, request: Request, values: Values) -> Response:
        """Stops a redrive after the current batch.

        Body: form_token.
        """
        job_id = request.path_params["id"][:64]
        if self._desk.cancel(job_id, actor_of(request, "the console"), remote_of(request)) is None:
            raise ApiError(404, "No such redrive.")
        return RedirectResponse(f"{prefix()}/redrives/{job_id}", 303)

    def _redrives(self, request: Request) -> Response:
        """Redrives and the audit of writes."""
        jobs = [job_json(job, self._problem()) for job in self._desk.jobs(PAGE_ROWS)]
        writes = [write_json(line) for line in self._desk.writes(PAGE_ROWS)]
        return self._page(request, "redrives.html", jobs=jobs, writes=writes)

    def _job(self, request: Request) -> Response:
        """How far a redrive is."""
        job = self._desk.job(request.path_params["id"][:64])
        if job is None:
            raise ApiError(404, "No such redrive.")
        moved = [audit_json(line) for line in self._desk.audit(PAGE_ROWS, job.id)]
        response = self._page(request, "redrive_job.html", job=job_json(job, self._problem()), moved=moved)
        if job.state.value == "running":
            response.headers["refresh"] = str(_REFRESH_SECONDS)
        return response


def _check_everything(selection: Selection, values: Values) -> None:
    if selection.is_everything and not values.get("all"):
        raise ApiError(400, "That would select every dead letter: confirm it in the form, or narrow it down.")


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


def _parted(headers: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, str]], list[Mapping[str, Any]]]:
    """Stack traces, whoever wrote them, with line breaks as everywhere; and all other headers."""
    traces, others = [], []
    for header in headers:
        if header["value"] and _TRACE.search(header["name"]):
            text = header["value"].replace("\r\n", "\n").strip("\n")
            traces.append({"name": header["name"], "text": text})
        else:
            others.append(header)
    return traces, others


def _bars(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    most = max(row["count"] for row in rows)
    return [{**row, "most": most} for row in rows]
