"""An event on its way, as whoever published it sees it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from flowtrail import _fork
from flowtrail.clients import Delivered
from flowtrail.errors import PublishError


def on_a_loop() -> bool:
    """Whether this thread runs an event loop just now, so that waiting would stop everything on it."""
    return asyncio._get_running_loop() is not None


class _Callbacks(threading.local):
    """Whether this thread runs a publication's callback just now."""

    running = False


_callbacks = _Callbacks()


def must_not_wait() -> bool:
    """Whether waiting here would stop what is waited for: a loop, or the thread that tells of acknowledgements."""
    return on_a_loop() or _callbacks.running


class Publication(Future[Delivered]):
    """An event on its way: a future that ends with where the broker put it.

    `result()` waits and raises `PublishError` if the broker didn't take it; in a coroutine, `await` it. Whoever
    waits may be cancelled at any moment: the event goes its way all the same. Callbacks run in the client's own
    thread: what they publish isn't waited for.

    Attributes:
        topic: Where it goes.
        event_id: Its `ce_id`; empty for a message that is no event.
        retriable: After a failure: whether trying again may work.
        in_handler: Whether a running handler's offset waits for it.
        patience_seconds: For how long `await` waits; None waits for as long as the client tries.
    """

    def __init__(self, topic: str, event_id: str) -> None:
        super().__init__()
        self.topic = topic
        self.event_id = event_id
        self.retriable = False
        self.in_handler = False
        self.patience_seconds: float | None = None
        self._generation = _fork.generation

    def cancel(self) -> bool:
        """Does nothing, and says so with False: an event that was handed to the client can't be called back.

        asyncio calls it when the task that awaits is cancelled.
        """
        return False

    def add_done_callback(self, fn: Callable[[Future[Delivered]], object]) -> None:
        """See `Future.add_done_callback`; the callback may publish, and doesn't wait for that."""

        def call(publication: Future[Delivered]) -> None:
            before, _callbacks.running = _callbacks.running, True
            try:
                fn(publication)
            finally:
                _callbacks.running = before

        super().add_done_callback(call)

    def result(self, timeout: float | None = None) -> Delivered:
        """Wait for the acknowledgement.

        Args:
            timeout: For how many seconds at most; None waits for as long as the client tries.

        Raises:
            PublishError: The broker didn't take it, or it can't be waited for here: it was published before
                this process was forked, or this is the callback of another one.
            TimeoutError: It took longer.
        """
        self._check_process()
        if _callbacks.running and not self.done():
            raise PublishError(
                f"event {self.event_id} can't be waited for in the callback of another one, whose thread also tells "
                "of this one's end: give it a callback of its own",
                topic=self.topic,
                event_id=self.event_id,
            )
        return super().result(timeout)

    def __await__(self) -> Generator[None, None, Delivered]:
        """Wait within a coroutine.

        Raises:
            PublishError: The broker didn't take it, or `publish_timeout_seconds` are over.
        """
        return self._acknowledged().__await__()

    async def _acknowledged(self) -> Delivered:
        self._check_process()
        waiting = asyncio.wrap_future(self)
        try:
            async with asyncio.timeout(self.patience_seconds) as limit:
                return await waiting
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._unanswered() from None

    def settle(self, patience_seconds: float) -> None:
        """Wait for the acknowledgement of an event that no handler waits for, where waiting is possible.

        On a loop, whoever awaits the publication waits for as long.

        Raises:
            PublishError: The broker didn't take it, or not in time.
        """
        if self.in_handler:
            return
        self.patience_seconds = patience_seconds
        if must_not_wait():
            return
        try:
            self.result(patience_seconds)
        except FutureTimeoutError:
            raise self._unanswered() from None

    def _unanswered(self) -> PublishError:
        return PublishError(
            f"event {self.event_id} was not acknowledged by {self.topic} within "
            f"{self.patience_seconds:g} s; it may still arrive if the topic exists and the broker comes back",
            topic=self.topic,
            event_id=self.event_id,
        )

    def _check_process(self) -> None:
        """Only the process that published learns how it ended."""
        if self._generation != _fork.generation and not self.done():
            raise PublishError(
                f"event {self.event_id} was published to {self.topic} before this process was forked: "
                "wait for it in the parent, or publish in the child",
                topic=self.topic,
                event_id=self.event_id,
            )
