"""`/metrics`."""

from __future__ import annotations

import gzip

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.metrics.exposition import (
    CONTENT_TYPE_OPENMETRICS,
    CONTENT_TYPE_TEXT,
    Exposition,
    wants_openmetrics,
)

_GZIP_FROM_BYTES = 1_024


def metrics_routes(exposition: Exposition) -> list[BaseRoute]:
    """The scrape target."""

    def metrics(request: Request) -> Response:
        openmetrics = wants_openmetrics(request.headers.get("accept"))
        body = exposition.render(openmetrics=openmetrics)
        headers = {"content-type": CONTENT_TYPE_OPENMETRICS if openmetrics else CONTENT_TYPE_TEXT}
        if len(body) >= _GZIP_FROM_BYTES and "gzip" in (request.headers.get("accept-encoding") or ""):
            # Level 1: 100,000 series of lag are 15 MB, and Prometheus is close by.
            body = gzip.compress(body, 1, mtime=0)
            headers["content-encoding"] = "gzip"
        return Response(body, headers=headers)

    return [Route("/metrics", metrics, methods=["GET"])]
