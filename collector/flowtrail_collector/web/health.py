"""`/healthz`, `/readyz`, `/api/v1/status`: is it alive, is it working, and if not, why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.conditions import Condition, condition_words, conditions_json, remarks, unready
from flowtrail_collector.web.json import json_response


def health_routes(
    conditions: Callable[[], Mapping[str, Condition]], status: Callable[[], Mapping[str, Any]]
) -> list[BaseRoute]:
    """The three routes.

    Args:
        conditions: How each part is.
        status: Figures about the collector, for `/api/v1/status`.
    """

    def healthz(request: Request) -> Response:
        """200 while the process works; needs no token."""
        return PlainTextResponse("ok\n")

    def readyz(request: Request) -> Response:
        """200 once every part runs, else 503 and a line for each that is starting or failing.

        A part that runs and follows nothing is a line behind `ready`.
        """
        parts = conditions()
        found = unready(parts)
        lines = [condition_words(part, *each) for part, each in (found or remarks(parts)).items()]
        return PlainTextResponse(
            "".join(line + "\n" for line in (lines if found else ["ready", *lines])), 503 if found else 200
        )

    def api_status(request: Request) -> Response:
        """Version, how each part is (starting, running or failing), figures about spans and store."""
        parts = conditions()
        problems = {part: each.reason for part, each in unready(parts).items()}
        known = {"ready": not problems, "problems": problems, "parts": conditions_json(parts)}
        return json_response({**known, **status()})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/api/v1/status", api_status, methods=["GET"]),
    ]
