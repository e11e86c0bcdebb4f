"""The history page, and the small lines beside the rows of lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._chart import (
    COUNT,
    LINES,
    RATE,
    SECONDS,
    Chart,
    Curve,
    Spark,
    Unit,
    chart,
    spark,
    within,
)
from flowtrail_collector.console._links import Links
from flowtrail_collector.console._pages import html_page
from flowtrail_collector.history.model.windows import MINUTE, SPARK, WINDOWS, Stretch, Window
from flowtrail_collector.history.sources import STARTED, cause_of
from flowtrail_collector.history.view import LONGEST_SECONDS, SHARES, History, Line, Lines
from flowtrail_collector.history.web import window_of
from flowtrail_collector.web.json import ApiError, text_param
from flowtrail_collector.wording import format_span

__all__ = ["HistoryPages", "Sparks"]

_DEFAULT_WINDOW = "24h"
_FLOWS = 4
_STEPS = 12
_MOST = 1_000
_LABEL = 60
_ENDED = "completed"
_AT_MOST = within(LONGEST_SECONDS)
# Why those that are drawn are.
_HIGHEST, _MOST_EVENTS = "never got higher than these", "had no more events than these"


class Sparks:
    """Small lines of the last hours, made once a minute: there is nothing new in between.

    Args:
        history: Reads samples.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(self, history: History, time_seconds: Callable[[], float] = time.time) -> None:
        self._history = history
        self._time_seconds = time_seconds
        self._made: dict[str, tuple[int, dict[Any, Spark]]] = {}

    def groups(self) -> Mapping[str, Spark]:
        """Unread messages, by group."""
        return self._of(
            "Lag",
            COUNT,
            lambda stretch, most: self._history.lag(stretch).messages(most),
            lambda name: name[0],
        )

    def flows(self) -> Mapping[str, Spark]:
        """Completed instances per minute, by flow."""
        return self._of(
            "Completed per minute",
            RATE,
            self._history.outcomes,
            lambda name: name[0] if name[1] == _ENDED else None,
        )

    def causes(self) -> Mapping[str, Spark]:
        """Pending dead letters, by the fingerprint of their cause."""
        return self._of("Pending", COUNT, self._history.dead_letters, lambda name: name[0])

    def edges(self) -> Mapping[tuple[str, ...], Spark]:
        """Events a second, by source, topic and target."""
        return self._of("Events a second", RATE, self._history.edges, lambda name: name)

    def _of(
        self, what: str, unit: Unit, read: Callable[[Stretch, int], Lines], key_of: Callable[[Any], Any]
    ) -> dict[Any, Spark]:
        now = self._time_seconds()
        minute, made = self._made.get(what, (None, {}))
        if minute != int(now // MINUTE):
            lines = read(SPARK.until(now), _MOST).lines
            drawn = {
                key_of(line.name): spark(line.values, unit, f"{what} over {SPARK.words}") for line in lines
            }
            made = {key: line for key, line in drawn.items() if key is not None and line is not None}
            self._made[what] = int(now // MINUTE), made
        return made


class HistoryPages:
    """The page with charts.

    Args:
        history: Reads samples.
        links: Where else things can be looked at.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self, history: History, links: Links | None = None, time_seconds: Callable[[], float] = time.time
    ) -> None:
        self._history = history
        self._links = links or Links()
        self._time_seconds = time_seconds

    def routes(self) -> list[BaseRoute]:
        """The page."""
        return [Route("/history", self._page, methods=["GET"])]

    def _page(self, request: Request) -> Response:
        """How lag, outcomes, durations, dead letters and rates went, of all that stands out; or of one group or flow.

        Query: window, group, flow.
        """
        window = window_of(request, _DEFAULT_WINDOW)
        group, flow = request.query_params.get("group"), text_param(request, "flow")
        if group is not None and flow is not None:
            raise ApiError(400, "ask for a group or for a flow, not for both")
        stretch = window.until(self._time_seconds())
        drawn = _Charts(self._history, window, stretch, self._links)
        if group is not None:
            charts = list(drawn.of_group(group))
        elif flow is not None:
            charts = list(drawn.of_flow(flow))
        else:
            charts = list(drawn.of_all())
        narrowed = {name: value for name, value in (("group", group), ("flow", flow)) if value is not None}
        return html_page(
            "history.html",
            request,
            live=False,
            subject=group if group is not None else flow,
            charts=charts,
            window=window,
            step=format_span(window.step),
            windows=[(each, urlencode({**narrowed, "window": each.name})) for each in WINDOWS.values()],
            flows=drawn.other_flows,
        )


class _Charts:
    """Draws one page's charts."""

    def __init__(self, history: History, window: Window, stretch: Stretch, links: Links) -> None:
        self._history = history
        self._window = window
        self._stretch = stretch
        self._links = links
        self.other_flows: list[tuple[str, str]] = []

    def of_all(self) -> Iterator[Chart]:
        """What stands out most of each kind."""
        yield from self._lag(None)
        yield from self._outcomes()
        yield self._slowest()
        yield self._dead_letters()
        yield self._edges()

    def of_group(self, group: str) -> Iterator[Chart]:
        """One group."""
        yield from self._lag(group)

    def of_flow(self, flow: str) -> Iterator[Chart]:
        """One flow: its outcomes, and each of its steps."""
        elsewhere = self._grafana("flow", flow=flow)
        lines = self._history.outcomes(self._stretch, _MOST, flow).lines
        yield self._chart("outcomes", "Instances per minute", _by_outcome(lines), RATE, elsewhere=elsewhere)
        found = self._history.durations(self._stretch, _STEPS, flow)
        steps = list(dict.fromkeys(line.name[1] for line in found.lines))
        for number, step in enumerate(steps):
            curves = [
                Curve(f"{SHARES[line.name[2]]}%", line.values) for line in found.lines if line.name[1] == step
            ]
            title = f"Step {step}: what {_percentages()} took at most"
            yield self._chart(f"step-{number}", title, curves, _AT_MOST)

    def _lag(self, group: str | None) -> Iterator[Chart]:
        elsewhere = self._grafana("lag", group=group)
        lag = self._history.lag(self._stretch)
        for id_, title, unit, read in (
            ("lag", "Unread messages", COUNT, lag.messages),
            ("lag-seconds", "Age of the oldest unread message", SECONDS, lag.seconds),
        ):
            found = read(LINES, None if group is None else [group])
            curves = [
                Curve(
                    line.name[0] or '""',
                    line.values,
                    "" if group is not None else self._at(group=line.name[0]),
                )
                for line in found.lines
            ]
            note = _others(found.left_out, _HIGHEST)
            yield self._chart(id_, title, curves, unit, note=note, elsewhere=elsewhere)

    def _outcomes(self) -> Iterator[Chart]:
        flows, others = self._history.flows(self._stretch, _FLOWS)
        self.other_flows = [(flow, self._at(flow=flow)) for flow in others]
        for number, (flow, lines) in enumerate(flows.items()):
            curves = [curve._replace(address=self._at(flow=flow)) for curve in _by_outcome(lines)]
            title = f"{flow}: instances per minute"
            elsewhere = self._grafana("flow", flow=flow)
            yield self._chart(f"flow-{number}", title, curves, RATE, elsewhere=elsewhere)

    def _slowest(self) -> Chart:
        found = self._history.durations(self._stretch, LINES)
        curves = [
            Curve(f"{line.name[0]}: {line.name[1]}", line.values, self._at(flow=line.name[0]))
            for line in found.lines
            if line.name[2] == "p95"
        ]
        title = f"Slowest steps: what {SHARES['p95']}% took at most"
        return self._chart("steps", title, curves, _AT_MOST, note=_others(found.left_out))

    def _dead_letters(self) -> Chart:
        found = self._history.dead_letters(self._stretch, LINES)
        curves = [
            Curve(_cause_label(cause := cause_of(line.name)), line.values, _cause_address(cause["cause"]))
            for line in found.lines
        ]
        elsewhere = self._grafana("dead-letters")
        return self._chart(
            "dead-letters",
            "Pending dead letters by cause",
            curves,
            COUNT,
            note=_others(found.left_out, _HIGHEST),
            elsewhere=elsewhere,
        )

    def _edges(self) -> Chart:
        found = self._history.edges(self._stretch, LINES)
        curves = [Curve(" → ".join(line.name), line.values, "/map") for line in found.lines]
        elsewhere = self._grafana("overview")
        return self._chart(
            "edges",
            "Events a second between services",
            curves,
            RATE,
            note=_others(found.left_out, _MOST_EVENTS),
            elsewhere=elsewhere,
        )

    def _chart(
        self,
        id_: str,
        title: str,
        curves: list[Curve],
        unit: Unit,
        *,
        note: str = "",
        elsewhere: str | None = None,
    ) -> Chart:
        note = note or _others(len(curves[LINES:]))
        return chart(id_, title, self._stretch, curves[:LINES], unit, note=note, elsewhere=elsewhere)

    def _at(self, **narrowed: str) -> str:
        return "/history?" + urlencode({**narrowed, "window": self._window.name})

    def _grafana(self, dashboard: str, **variables: str | None) -> str | None:
        return self._links.of_dashboard(dashboard, self._window.name, variables)


def _others(count: int, why: str = "") -> str:
    if not count:
        return ""
    is_one = count == 1
    because = f" {why} and" if why else ""
    return f"{count} more{because} {'isn’t' if is_one else 'aren’t'} drawn."


def _percentages() -> str:
    *first, last = [f"{share}%" for share in SHARES.values()]
    return f"{', '.join(first)} and {last}"


def _by_outcome(lines: list[Line]) -> list[Curve]:
    """Starts first, then the outcomes, each always in the same place."""
    ordered = sorted(lines, key=lambda line: (line.name[1] != STARTED, line.name[1]))
    return [Curve(line.name[1].replace("_", " "), line.values) for line in ordered]


def _cause_label(cause: Mapping[str, str | None]) -> str:
    words = " ".join(cause[part] or "" for part in ("group", "error_type", "message")).split()
    text = " ".join(words) or "without a cause"
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"


def _cause_address(cause: str | None) -> str:
    return "/dead-letters?" + urlencode({"cause": cause}) if cause else ""
