"""Calling handlers, plain ones and coroutine functions."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from flowtrail import _fork
from flowtrail._loop_thread import LoopThread
from flowtrail._runtime.handlers import Handler

_LOOK_AROUND_SECONDS = 0.5


class Invoker:
    """Calls handlers; coroutines run on one event loop for the whole trail.

    That loop is the one in which `async with trail.running()` was entered, so that handlers can share the
    application's connections; else one in a thread of its own.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own = LoopThread("flowtrail-handlers")
        self._owned = False
        self._lock = threading.Lock()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        self._loop, self._owned = None, False
        _fork.free(self._lock)

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run coroutines on this loop."""
        self._loop = loop

    def call(self, handler: Handler, argument: Any, while_waiting: Callable[[], None]) -> None:
        """Call a handler and wait for its end.

        Args:
            handler: Whom to call.
            argument: With what: an event, or a batch.
            while_waiting: Called now and then while a coroutine runs.

        Raises:
            BaseException: Whatever the handler raises.
        """
        if not handler.is_async:
            handler.function(argument)
            return
        future = self._start(handler.function(argument), contextvars.copy_context())
        while True:
            try:
                future.result(_LOOK_AROUND_SECONDS)
                return
            except FutureTimeoutError:
                if future.done():
                    raise  # the handler's own
                while_waiting()

    def _start(self, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context) -> Future[Any]:
        loop = self._running_loop()
        ended: Future[Any] = Future()

        def finish(task: asyncio.Task[Any]) -> None:
            if task.cancelled():
                ended.set_exception(InterruptedError("the handler's task was cancelled"))
            elif (error := task.exception()) is not None:
                ended.set_exception(error)
            else:
                ended.set_result(task.result())

        def start() -> None:
            loop.create_task(coroutine, context=context).add_done_callback(finish)

        loop.call_soon_threadsafe(start)
        return ended

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._own.acquire()
                self._loop, self._owned = self._own.loop, True
            return self._loop

    def close(self) -> None:
        """Stop the loop if it is ours."""
        with self._lock:
            owned, self._owned, self._loop = self._owned, False, None
        if owned:
            self._own.release()
