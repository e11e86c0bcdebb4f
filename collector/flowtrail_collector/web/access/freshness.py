"""Keeps what a provider says of itself: asked seldom, used further while the provider can't be asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from flowtrail_collector.web.access.ports import ProviderUnreachableError

__all__ = ["Freshness"]

logger = logging.getLogger("flowtrail_collector")

T = TypeVar("T")
_FRESH_SECONDS = 3600.0
_USABLE_SECONDS = 24 * 3600.0
# Whatever tokens come in, the provider isn't asked more often.
_PAUSE_SECONDS = 30.0
_PAUSE_AFTER_FAILURE_SECONDS = 5.0


class Freshness(Generic[T]):
    """The latest that was fetched.

    Fetched anew after an hour, without anybody waiting for it, and when it lacks what is asked for, at most every
    30 s (after a failure: 5 s) however many ask. What is older than a day isn't used any more.

    Args:
        fetch: Fetches it; raises `ProviderUnreachableError`.
        on_error: Called with `oidc` and what `fetch` raised.
        now: Seconds on a clock that only goes forward.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[T]],
        *,
        on_error: Callable[[str, Exception], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._on_error = on_error
        self._now = now
        self._latest: tuple[T, float] | None = None
        self._trouble: ProviderUnreachableError | None = None
        self._next_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def get(self, has: Callable[[T], bool] = lambda value: True) -> T:
        """What is known; fetched first if nothing is, or not what is asked for.

        Args:
            has: Whether what is known has what is asked for. It needn't, in the end.

        Raises:
            ProviderUnreachableError: Nothing is known that could be used.
        """
        known = self._usable()
        if known is None or not has(known):
            await self._fetched()
        elif self._latest is not None and self._now() - self._latest[1] > _FRESH_SECONDS:
            self._begin()
        known = self._usable()
        if known is None:
            raise self._trouble or ProviderUnreachableError("it hasn't been asked yet: try again in a moment")
        return known

    def _usable(self) -> T | None:
        if self._latest is None or self._now() - self._latest[1] > _USABLE_SECONDS:
            return None
        return self._latest[0]

    async def _fetched(self) -> None:
        task = self._begin()
        if task is not None:
            # Whoever began it may hang up: the others still want it.
            with contextlib.suppress(ProviderUnreachableError):
                await asyncio.shield(task)

    def _begin(self) -> asyncio.Task[None] | None:
        if (self._task is None or self._task.done()) and self._now() >= self._next_at:
            self._next_at = self._now() + _PAUSE_SECONDS
            self._task = asyncio.create_task(self._update())
        return self._task

    async def _update(self) -> None:
        try:
            self._latest = await self._fetch(), self._now()
        except ProviderUnreachableError as error:
            self._next_at = self._now() + _PAUSE_AFTER_FAILURE_SECONDS
            if self._trouble is None:
                logger.warning(
                    "the OIDC provider doesn't answer, so nobody can log in; sessions and access tokens go on: %s",
                    error,
                )
            self._trouble = error
            self._on_error("oidc", error)
        else:
            if self._trouble is not None:
                logger.warning("the OIDC provider answers again")
            self._trouble = None
