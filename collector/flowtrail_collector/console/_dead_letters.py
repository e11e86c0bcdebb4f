"""The console's dead letter desk: look, send back, dismiss; forms and links only, no script needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._forms import FormPages, Values, answering, field_of, posted, problem_of
from flowtrail_collector.console._pages import PAGE_ROWS
from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.model.letter import PENDING, QUARANTINED, Selection
from flowtrail_collector.dead_letters.ports import Order
from flowtrail_collector.dead_letters.web.json import (
    audit_json,
    dossier_json,
    job_json,
    listed_json,
    write_json,
)
from flowtrail_collector.dead_letters.web.query import (
    dismissal_of,
    note_of,
    order_of,
    place_of,
    query_of,
    selection_of,
)
from flowtrail_collector.web.access.model import Role
from flowtrail_collector.web.callers import actor_of, may, remote_of
from flowtrail_collector.web.json import ApiError
from flowtrail_collector.web.prefix import prefix

__all__ = ["DeadLetterPages"]

_REFRESH_SECONDS = 1
_MOST_RECORDS = 20
_TRACE = re.compile(r"stack[-_.]?trace$", re.IGNORECASE)
_OPTIONS = ("to", "rate", "replay_limit")
_MOVABLE = (PENDING, QUARANTINED)
_TITLES = {
    "by_error": "By error", "by_source_topic": "By topic they came from", "by_age": "By age",
    "by_target": "Would go to", "refused": "Would stay",
}  # fmt: skip


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
        return self._redrive_form(request, order_of(request.query_params, ""))

    def _redrive_form(
        self, request: Request, order: Order, typed: Values | None = None, problem: str = ""
    ) -> Response:
        order = replace(order, selection=self._desk.fixed(order.selection))
        counted = self._desk.survey(order)
        histograms = [(title, _bars(counted[name])) for name, title in _TITLES.items() if counted[name]]
        return self._page(
            request,
            "redrive.html",
            400 if problem else 200,
            total=counted["total"],
            unmeasured=counted["unmeasured"],
            histograms=histograms,
            selection=query_of(order.selection),
            as_of=order.selection.as_of,
            everything=order.selection.is_everything,
            records=[listed_json(letter) for letter in self._desk.first(order.selection, _MOST_RECORDS)],
            typed=_options(order) if typed is None else {name: typed.get(name, "") for name in _OPTIONS},
            problem=problem,
            field=field_of(problem, _OPTIONS),
        )

    def _ask_dismiss(self, request: Request) -> Response:
        """How many would be dismissed, and the form that does it.

        Query: topic, partition, offset, source, group, error, cause, id, flow, since, until, state.
        """
        return self._dismiss_form(request, selection_of(request.query_params))

    def _dismiss_form(
        self, request: Request, selection: Selection, note: str = "", problem: str = ""
    ) -> Response:
        selection = self._desk.fixed(selection)
        return self._page(
            request,
            "dismiss.html",
            400 if problem else 200,
            total=self._desk.count(selection),
            selection=query_of(selection),
            as_of=selection.as_of,
            everything=selection.is_everything,
            records=[listed_json(letter) for letter in self._desk.first(selection, _MOST_RECORDS)],
            note=note,
            problem=problem,
            field=field_of(problem, ("note",)),
        )

    def _redrive(self, request: Request, values: Values) -> Response:
        """Starts a redrive.

        Body: topic, partition, offset, source, group, error, cause, id, flow, since, until, state, as_of, expected_total, to, rate, replay_limit, all, form_token.
        """
        selection = selection_of(values)

        def start() -> Response:
            order = order_of(values, actor_of(request, "the console"))
            _check_everything(selection, values)
            job = self._desk.start(order, remote_of(request))
            return RedirectResponse(f"{prefix()}/redrives/{job.id}", 303)

        done = problem_of(start)
        return self._redrive_form(request, Order(selection), values, done) if isinstance(done, str) else done

    def _dismiss(self, request: Request, values: Values) -> Response:
        """Dismisses.

        Body: topic, partition, offset, source, group, error, cause, id, flow, since, until, state, as_of, expected_total, all, note, form_token.
        """
        selection = selection_of(values)

        def dismiss() -> Response:
            _check_everything(selection, values)
            order = dismissal_of(values, actor_of(request, "the console"))
            self._desk.dismiss(order, note_of(values), remote_of(request))
            return RedirectResponse(f"{prefix()}/dead-letters?state=dismissed", 303)

        done = problem_of(dismiss)
        if isinstance(done, str):
            return self._dismiss_form(request, selection, values.get("note", ""), done)
        return done

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


def _options(order: Order) -> dict[str, str]:
    """What a redrive's form asks for, as it is at first."""
    rate = str(round(order.rate, 3)) if order.rate else "0"
    return {"to": order.to or "", "rate": rate, "replay_limit": str(order.replay_limit)}


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
