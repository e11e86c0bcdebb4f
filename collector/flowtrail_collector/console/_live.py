"""Live updates: a stream of server-sent events that says when there is something new to see.

A page that is told so loads itself again and swaps its main part. So there is one way to draw a page, and
without the script everything works, only not by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from flowtrail_collector.web.json import ApiError

_POLL_SECONDS = 0.5
_LEAST_SECONDS = 2.0
_COMMENT_SECONDS = 15.0
MAX_STREAMS = 100


class Live:
    """`/live`.

    Args:
        pulse: Differs when something has changed; asked at most every two seconds, however many look on.
    """

    def __init__(self, pulse: Callable[[], object]) -> None:
        self._pulse = pulse
        self._streams = 0
        self._known: object = None
        self._asked_at = -_LEAST_SECONDS
        self._asking = asyncio.Lock()

    async def stream(self, request: Request) -> Response:
        """The stream; it ends when the server stops, and browsers then come back."""
        if self._streams >= MAX_STREAMS:
            raise ApiError(503, "too many pages are open; reload this one by hand")
        return StreamingResponse(
            self._events(request), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
        )

    async def _events(self, request: Request) -> AsyncIterator[str]:
        stopping = request.scope.get("state", {}).get("stopping", lambda: False)
        self._streams += 1
        try:
            shown = await self._now()
            yield "retry: 3000\n\n"
            said_at = time.monotonic()
            while not stopping():
                await asyncio.sleep(_POLL_SECONDS)
                now = await self._now()
                if now != shown:
                    shown, said_at = now, time.monotonic()
                    yield "event: change\ndata:\n\n"
                elif time.monotonic() - said_at > _COMMENT_SECONDS:
                    said_at = time.monotonic()
                    yield ":\n\n"  # proxies drop connections on which nothing moves
        finally:
            self._streams -= 1

    async def _now(self) -> object:
        async with self._asking:
            if time.monotonic() - self._asked_at >= _LEAST_SECONDS:
                try:
                    self._known = await run_in_threadpool(self._pulse)
                except Exception as error:  # noqa: BLE001 - a store that doesn't answer is news too
                    self._known = str(error)
                self._asked_at = time.monotonic()
            return self._known
