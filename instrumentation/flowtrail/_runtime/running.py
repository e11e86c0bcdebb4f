"""`with trail.running():` and `async with trail.running():`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Running:
    """Starts a trail on entering a block, and stops it on leaving; `Trail.running` makes it.

    Args:
        start: Starts everything; doesn't block.
        stop: Stops everything; blocks.
        use_loop: Told on which event loop coroutine handlers run.
    """

    def __init__(
        self,
        start: Callable[[], object],
        stop: Callable[[], None],
        use_loop: Callable[[asyncio.AbstractEventLoop], None],
    ) -> None:
        self._start = start
        self._stop = stop
        self._use_loop = use_loop

    def __enter__(self) -> None:
        """Start."""
        self._start()

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for it."""
        self._stop()

    async def __aenter__(self) -> None:
        """Start; coroutine handlers run on this loop."""
        self._use_loop(asyncio.get_running_loop())
        self._start()

    async def __aexit__(self, *_: object) -> None:
        """Stop without blocking the loop, on which handlers may still have to finish."""
        await asyncio.to_thread(self._stop)
