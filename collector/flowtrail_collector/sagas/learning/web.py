"""`/api/v1/flows/learn`: a draft of a flow file."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.sagas.learning.draft import draft_text
from flowtrail_collector.sagas.learning.flows import LearnedFlow, learn
from flowtrail_collector.sagas.learning.ports import InstanceReader
from flowtrail_collector.web.json import ApiError, int_param, json_response

__all__ = ["learning_routes"]

_DEFAULT_INSTANCES = 1_000
_MAX_INSTANCES = 5_000
_MAX_WINDOW_SECONDS = 10 * 365 * 86_400


def learning_routes(
    reader: InstanceReader,
    groups: Callable[[], Collection[str] | None],
    *,
    time_seconds: Callable[[], float] = time.time,
) -> list[BaseRoute]:
    """The route that drafts flows.

    Args:
        reader: Where instances come from.
        groups: Consumer groups that the cluster knows; None while they aren't known.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def learned(request: Request) -> Response:
        """A flow file drafted from what was observed, with what each guess rests on.

        Query: instances, window_seconds.
        """
        number = int_param(request, "instances", _DEFAULT_INSTANCES, _MAX_INSTANCES)
        if number == 0:
            raise ApiError(400, "instances takes a whole number, 1 or more")
        window = int_param(request, "window_seconds", 0, _MAX_WINDOW_SECONDS)
        since_ms = int((time_seconds() - window) * 1000) if window else None
        instances = reader.instances(number, since_ms)
        found = learn(instances, groups())
        return json_response(
            {
                "yaml": draft_text(found),
                "instances": len(instances),
                "partial": found.partial,
                "flows": [_flow(drafted) for drafted in found.flows],
                "too_few": [{"starts": kind, "instances": count} for kind, count in found.too_few[:100]],
            }
        )

    return [Route("/api/v1/flows/learn", learned, methods=["GET"])]


def _flow(drafted: LearnedFlow) -> dict[str, Any]:
    return {
        "name": drafted.flow.name,
        "instances": drafted.instances,
        "completed": drafted.completed,
        "broken_off": drafted.broken_off,
        "p99_seconds": drafted.p99_ms / 1000,
    }
