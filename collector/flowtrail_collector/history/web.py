"""`/api/v1/history/...`: how figures went over time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.history.model.windows import WINDOWS, Stretch, Window
from flowtrail_collector.history.sources import cause_of
from flowtrail_collector.history.view import History, Lines, Numbers
from flowtrail_collector.units import iso_time
from flowtrail_collector.web.json import ApiError, int_param, json_response, text_param

__all__ = ["history_routes", "window_of"]

_DEFAULT_WINDOW = "6h"
_DEFAULT_MOST, _MOST = 20, 1_000
_DIGITS = 6


class HistoryRoutes:
    """Answers from kept samples.

    Args:
        history: Reads them.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(self, history: History, time_seconds: Callable[[], float]) -> None:
        self._history = history
        self._time_seconds = time_seconds

    def lag(self, request: Request) -> Response:
        """Unread messages of consumer groups and how long the oldest waited, the highest in each slot.

        Query: window, group, limit.
        """
        stretch, most = self._asked(request)
        group = request.query_params.get("group")
        lag = self._history.lag(stretch)
        messages = lag.messages(most, None if group is None else [group])
        seconds = lag.seconds(most, {line.name[0] for line in messages.lines})
        waited = {line.name: line.values for line in seconds.lines}
        unknown = [None] * stretch.count
        return _answer(
            messages,
            [
                {
                    "group": line.name[0],
                    "lag": list(line.values),
                    "lag_seconds": _rounded(waited.get(line.name, unknown)),
                }
                for line in messages.lines
            ],
        )

    def outcomes(self, request: Request) -> Response:
        """How many instances of flows started, and how they ended, per minute.

        Query: window, flow, limit.
        """
        stretch, most = self._asked(request)
        found = self._history.outcomes(stretch, most, text_param(request, "flow"))
        return _answer(
            found,
            [
                {"flow": line.name[0], "outcome": line.name[1], "per_minute": _rounded(line.values)}
                for line in found.lines
            ],
        )

    def steps(self, request: Request) -> Response:
        """What 50%, 95% and 99% of the steps that ended in each slot took at most; beyond the largest bucket, null.

        Query: window, flow, limit.
        """
        stretch, most = self._asked(request)
        found = self._history.durations(stretch, most, text_param(request, "flow"))
        steps: dict[tuple[str, ...], dict[str, Any]] = {}
        for (flow, step, share), values in found.lines:
            entry = steps.setdefault((flow, step), {"flow": flow, "step": step})
            entry[f"{share}_seconds"] = _rounded(values)
        return _answer(found, list(steps.values()))

    def dead_letters(self, request: Request) -> Response:
        """Pending dead letters by cause, the most in each slot.

        Query: window, limit.
        """
        stretch, most = self._asked(request)
        found = self._history.dead_letters(stretch, most)
        return _answer(found, [{**cause_of(line.name), "pending": list(line.values)} for line in found.lines])

    def edges(self, request: Request) -> Response:
        """Events a second with which services reacted to others.

        Query: window, limit.
        """
        stretch, most = self._asked(request)
        found = self._history.edges(stretch, most)
        names = ("source", "topic", "target")
        return _answer(
            found,
            [
                {**dict(zip(names, line.name, strict=True)), "per_second": _rounded(line.values)}
                for line in found.lines
            ],
        )

    def _asked(self, request: Request) -> tuple[Stretch, int]:
        window = window_of(request, _DEFAULT_WINDOW)
        return window.until(self._time_seconds()), int_param(request, "limit", _DEFAULT_MOST, _MOST)


def history_routes(history: History, *, time_seconds: Callable[[], float] = time.time) -> list[BaseRoute]:
    """The routes.

    Args:
        history: Reads samples.
        time_seconds: Wall clock, seconds since the epoch.
    """
    routes = HistoryRoutes(history, time_seconds)
    pages = {
        "lag": routes.lag,
        "outcomes": routes.outcomes,
        "steps": routes.steps,
        "dead-letters": routes.dead_letters,
        "edges": routes.edges,
    }
    return [Route(f"/api/v1/history/{name}", page, methods=["GET"]) for name, page in pages.items()]


def window_of(request: Request, default: str) -> Window:
    """The window that is asked for.

    Raises:
        ApiError: 400, there is none of this name.
    """
    name = text_param(request, "window") or default
    window = WINDOWS.get(name)
    if window is None:
        raise ApiError(400, f"window takes one of {', '.join(WINDOWS)}")
    return window


def _answer(lines: Lines, series: list[dict[str, Any]]) -> Response:
    stretch = lines.stretch
    return json_response(
        {
            "start": iso_time(stretch.start * 10**9),
            "end": iso_time(stretch.end * 10**9),
            "step_seconds": stretch.step,
            "series": series,
            "left_out": lines.left_out,
        }
    )


def _rounded(values: Numbers) -> list[float | None]:
    return [None if value is None or value == math.inf else round(value, _DIGITS) for value in values]
