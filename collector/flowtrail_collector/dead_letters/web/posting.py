"""Requests that change something: JSON in, the collector's own errors as answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from flowtrail_collector.errors import CollectorError, ConfigurationError, CountedOtherwiseError
from flowtrail_collector.web.asked import asked_by, check_names
from flowtrail_collector.web.json import ApiError

__all__ = ["MAX_BODY_BYTES", "body_of", "checked", "posted"]

MAX_BODY_BYTES = 65_536


def checked(call: Callable[[], Response]) -> Response:
    """The answer, with the collector's own errors as answers.

    Raises:
        ApiError: 400 for nonsense, 409 where more would be done than was counted, 503 where Kafka or the store doesn't answer.
    """
    try:
        return call()
    except CountedOtherwiseError as error:
        raise ApiError(409, str(error)) from None
    except ConfigurationError as error:
        raise ApiError(400, str(error)) from None
    except CollectorError as error:
        raise ApiError(503, str(error)) from None


def posted(
    handle: Callable[[Request, Mapping[str, Any]], Response], max_bytes: int = MAX_BODY_BYTES
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of a handler that takes a JSON object of at most so many bytes."""

    known = asked_by(handle, "Body")

    @wraps(handle)
    async def endpoint(request: Request) -> Response:
        values = await _values(request, max_bytes)
        check_names(values, known)
        return await run_in_threadpool(checked, lambda: handle(request, values))

    return endpoint


async def body_of(request: Request, too_large: str, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The body of a request.

    Raises:
        ApiError: 413, it is larger than anything that is asked there.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise ApiError(413, too_large)
    return bytes(body)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ApiError(400, "a parameter is given twice")
    return found


async def _values(request: Request, max_bytes: int) -> Mapping[str, Any]:
    # No form of another site can send this type without being asked first (CORS), and nobody gets a yes.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError(415, "send JSON: Content-Type: application/json")
    body = await body_of(request, "the request is too large", max_bytes)
    try:
        values = json.loads(body or b"{}", object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise ApiError(400, "that isn't JSON") from None
    if not isinstance(values, dict):
        raise ApiError(400, "send a JSON object")
    return values
