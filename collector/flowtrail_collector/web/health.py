"""`/healthz`, `/readyz`, `/api/v1/status`: is it alive, is it working, and if not, why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.web.json import json_response


def health_routes(
    problems: Callable[[], Mapping[str, str]], status: Callable[[], Mapping[str, Any]]
) -> list[BaseRoute]:
    """The three routes.

    Args:
        problems: What keeps which part from working; empty when all is well.
        status: Figures about the collector, for `/api/v1/status`.
    """

    def healthz(request: Request) -> Response:
        """200 while the process works; needs no token."""
        return PlainTextResponse("ok\n")

    def readyz(request: Request) -> Response:
        """200 once the store is open and Kafka was reached, else 503 and why."""
        found = problems()
        if not found:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("".join(f"{part}: {line}\n" for part, line in found.items()), 503)

    def api_status(request: Request) -> Response:
        """Version, problems, figures about spans and store."""
        found = problems()
        return json_response({"ready": not found, "problems": dict(found), **status()})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/api/v1/status", api_status, methods=["GET"]),
    ]
