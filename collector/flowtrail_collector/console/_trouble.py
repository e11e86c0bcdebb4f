"""The console's pages about what goes wrong: what changed lately, and what is stuck, by cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._pages import html_page
from flowtrail_collector.dead_letters.model.letter import PENDING
from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.oncall.service import OnCall
from flowtrail_collector.oncall.web import report_json
from flowtrail_collector.sagas.model.causes import STATES
from flowtrail_collector.sagas.ports import SagaLists
from flowtrail_collector.sagas.web import cause_json, cause_query

__all__ = ["TroublePages", "linked_cause", "steps_of"]

# What is behind the link of each kind of change.
_TITLES = {
    "broker": "Collector", "collector": "Collector", "group": "Lag", "lost": "Lag", "stuck": "Instances", "ended": "Instances",
    "dead_letters": "Dead letters", "unreadable": "Lag", "mapping": "Topics",
}  # fmt: skip


class TroublePages:
    """Pages about what goes wrong.

    Args:
        views: Lists instances by cause.
        progress_of: How a consumer group is.
        oncall: Tells what changed.
    """

    def __init__(self, views: SagaLists, progress_of: GroupProgressOf, oncall: OnCall) -> None:
        self._views = views
        self._progress_of = progress_of
        self._on_call = oncall

    def routes(self) -> list[BaseRoute]:
        """The pages."""
        pages = {"/sagas/causes": self._causes, "/oncall": self._oncall}
        return [Route(path, page, methods=["GET"]) for path, page in pages.items()]

    def _oncall(self, request: Request) -> Response:
        """What went wrong within the last 30 minutes, what affects the most orders first."""
        return html_page("oncall.html", request, report=report_json(self._on_call.report()), titles=_TITLES)

    def _causes(self, request: Request) -> Response:
        """What is stuck, by cause.

        Query: flow, step, state, limit.
        """
        values = request.query_params
        # Without a flow file there is nothing to choose from, and nothing is stuck.
        known = self._views.known_flows()
        found = cause_query(request, self._views)[0] if known else []
        return html_page(
            "stuck_causes.html",
            request,
            causes=[linked_cause(cause_json(row, self._progress_of)) for row in found],
            flows=sorted(known),
            states=STATES,
            steps=steps_of(known, values.get("flow")),
            values={name: values.get(name) or "" for name in ("flow", "step", "state")},
        )


def steps_of(known: Mapping[str, Sequence[str] | None], flow: str | None) -> list[str]:
    """The steps of a flow, or of all, in the order of the flow file; of one that has left it none is known."""
    chosen = known.values() if flow is None else [known.get(flow)]
    return list(dict.fromkeys(step for steps in chosen for step in steps or ()))


def linked_cause(cause: dict[str, Any]) -> dict[str, Any]:
    """A cause as the API answers it, with the query of the dead letters that hold its instances up."""
    letters = cause["dead_letter_cause"]
    query = urlencode({"flow": cause["flow"], "cause": letters, "state": PENDING}) if letters else ""
    return {**cause, "letters_query": query}
