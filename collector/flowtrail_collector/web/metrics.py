"""`/metrics`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from flowtrail_collector.metrics.exposition import CONTENT_TYPE_OPENMETRICS, CONTENT_TYPE_TEXT, Exposition

__all__ = ["accepts_gzip", "metrics_routes", "wants_openmetrics"]

_GZIP_FROM_BYTES = 1_024
_STREAM_FROM_BYTES = 1 << 20
_OPENMETRICS, _TEXT = "application/openmetrics-text", "text/plain"


def metrics_routes(exposition: Exposition) -> list[BaseRoute]:
    """The scrape target."""

    def metrics(request: Request) -> Response:
        """All metrics: Prometheus text, or OpenMetrics if preferred; gzip if accepted."""
        openmetrics = wants_openmetrics(request.headers.get("accept"))
        page = exposition.page(openmetrics=openmetrics)
        size = page.size
        headers = {
            "content-type": CONTENT_TYPE_OPENMETRICS if openmetrics else CONTENT_TYPE_TEXT,
            "vary": "accept, accept-encoding",
        }
        if size >= _GZIP_FROM_BYTES and accepts_gzip(request.headers.get("accept-encoding")):
            return Response(page.gzipped(), headers={**headers, "content-encoding": "gzip"})
        if size >= _STREAM_FROM_BYTES:
            return StreamingResponse(page.chunks(), headers={**headers, "content-length": str(size)})
        return Response(b"".join(page.chunks()), headers=headers)

    return [Route("/metrics", metrics, methods=["GET"])]


def wants_openmetrics(accept: str | None) -> bool:
    """Whether an `Accept` header prefers OpenMetrics to plain text, as Prometheus' does."""
    wanted = _weights(accept)
    return wanted.get(_OPENMETRICS, 0.0) > max(wanted.get(_TEXT, 0.0), 0.0)


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether an `Accept-Encoding` header allows gzip."""
    wanted = _weights(accept_encoding)
    return wanted.get("gzip", wanted.get("*", 0.0)) > 0.0


def _weights(header: str | None) -> dict[str, float]:
    """The items of a header with their weights (RFC 9110, 12.4.2); of one named twice the greater."""
    weights: dict[str, float] = {}
    for item in (header or "").split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        weights[name] = max(weight, weights.get(name, 0.0))
    return weights
