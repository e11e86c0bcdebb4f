"""`/api/v1/readers`: who reads what."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.readers.model import Seen
from flowtrail_collector.readers.ports import Readers
from flowtrail_collector.units import iso_time_ms, parse_duration
from flowtrail_collector.web.json import ApiError, json_response, text_param

__all__ = ["reader_routes"]


def reader_routes(readers: Readers, *, time_seconds: Callable[[], float] = time.time) -> list[BaseRoute]:
    """The route that lists readers.

    Args:
        readers: Where they are kept.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def listed(request: Request) -> Response:
        """Which service reads which event in which version of its contract; `known` counts all that are kept.

        Query: since, type.
        """
        since, type = text_param(request, "since"), text_param(request, "type")
        try:
            ago = None if since is None else parse_duration(since)
        except ConfigurationError as error:
            raise ApiError(400, f"since: {error}") from None
        since_ms = 0 if ago is None else max(0, int((time_seconds() - ago) * 1000))
        found = readers.seen(since_ms=since_ms, type=type)
        return json_response({"readers": [_json(seen) for seen in found], "known": readers.known()})

    return [Route("/api/v1/readers", listed, methods=["GET"])]


def _json(seen: Seen) -> dict[str, Any]:
    key = seen.key
    return {
        "service": key.service,
        "group": key.group or None,
        "topic": key.topic or None,
        "type": key.type,
        "version": key.version or None,
        "contracts": key.contracts or None,
        "first_seen": iso_time_ms(seen.first_ms),
        "last_seen": iso_time_ms(seen.last_ms),
    }
