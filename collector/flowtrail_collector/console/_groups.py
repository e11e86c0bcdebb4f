"""The pages about consumer groups: all of them, and some down to their partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._pages import html_page
from flowtrail_collector.dead_letters.model.letter import PENDING
from flowtrail_collector.lag.view import is_queue_of
from flowtrail_collector.web.json import ApiError
from flowtrail_collector.wording import unmistakable

__all__ = ["GroupPages", "LagDetails"]

_MOST_GROUPS = 20
_MOST_PARTITIONS = 500


class LagDetails(Protocol):
    """The lag figures that the console shows."""

    def overview(self) -> dict[str, Any]:
        """All groups, those that need attention first."""
        ...

    def detail(self, group: str) -> dict[str, Any] | None:
        """One group with its topics and partitions; None if it isn't known."""
        ...


class GroupPages:
    """`/lag`.

    Args:
        lag: Lag figures.
        sparks: How figures went over the last hours, by group.
    """

    def __init__(self, lag: LagDetails, sparks: Callable[[], Mapping[str, Any]] = dict) -> None:
        self._lag = lag
        self._sparks = sparks

    def routes(self) -> list[BaseRoute]:
        """The page."""
        return [Route("/lag", self._page, methods=["GET"])]

    def _page(self, request: Request) -> Response:
        """Consumer groups; those that are named, by one `group` or several, with their partitions.

        Query: group.

        Repeatable: group.
        """
        # Kafka takes any name: the empty one, and ones longer than any id.
        names = list(dict.fromkeys(request.query_params.getlist("group")))[:_MOST_GROUPS]
        if not names:
            return self._all(request)
        names = [found for name in names for found in self._meant(name)]
        if not names:
            return self._all(request, unknown=request.query_params["group"])
        return html_page(
            "group.html", request, groups=[self._group(name) for name in names], most=_MOST_PARTITIONS
        )

    def _all(self, request: Request, unknown: str | None = None) -> Response:
        return html_page("lag.html", request, sparks=self._sparks(), unknown=unknown, **self._lag.overview())

    def _meant(self, name: str) -> list[str]:
        """The group of this name, else the queues that it reads: a group of RabbitMQ has one for each topic.

        Dead letters and flow files name groups that no broker knows: then there are none.
        """
        if self._lag.detail(name) is not None:
            return [name]
        known = [group["group"] for group in self._lag.overview()["groups"]]
        return [each for each in known if name and is_queue_of(each, name)][:_MOST_GROUPS]

    def _group(self, name: str) -> dict[str, Any]:
        found = self._lag.detail(name)
        if found is None:  # it is gone since it was looked for
            raise ApiError(404, f"no group is called {unmistakable(name)}: /lag lists those there are")
        group = found["groups"][0]
        # What is furthest behind first: of thousands of partitions the others are nothing to look at.
        partitions = sorted(
            group["partitions"], key=lambda each: (-(each["lag"] or 0), each["topic"], each["partition"])
        )
        return {
            **group,
            "partitions": partitions[:_MOST_PARTITIONS],
            "left_out": max(0, len(partitions) - _MOST_PARTITIONS),
            "collected_at": found["collected_at"],
            "letters": urlencode({"group": name, "state": PENDING}),
            "history": urlencode({"group": name}),
        }
