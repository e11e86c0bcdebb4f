"""Calling handlers, and seeing to it that what they return has run before they count as done."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
import time
import types
from collections.abc import Awaitable
from concurrent.futures import Future, InvalidStateError, wait
from typing import Any

from flowtrail._loop_thread import LoopThread
from flowtrail._runtime.handlers import Handler
from flowtrail._runtime.runner import Runner
from flowtrail.errors import HandlerError, HandlerTimeoutError

# How long a coroutine may take to end after it was cancelled.
_CANCEL_SECONDS = 1.0

# Their code runs as they are iterated over, which nobody does.
_NEVER_RUN = (types.GeneratorType, types.AsyncGeneratorType, map, filter)


class Invoker:
    """Calls handlers; whatever awaitable they return runs on one event loop for the whole trail.

    That loop is the one in which `async with trail.running()` was entered, so that handlers can share the
    application's connections; else one in a thread of its own.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own = LoopThread("flowtrail-handlers", self._escaped)
        self._owned = False
        self._lock = threading.Lock()
        self._runner = Runner("flowtrail-handler")
        self._waiting: set[Future[Any]] = set()
        self._exit: BaseException | None = None

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run coroutines on this loop."""
        self._loop = loop

    def call(self, handler: Handler, argument: Any) -> None:
        """Call a handler and wait for its end.

        Args:
            handler: Whom to call.
            argument: With what: an event, or a batch.

        Raises:
            HandlerTimeoutError: It took longer than its timeout.
            HandlerError: It returned something that can't be run.
            BaseException: Whatever the handler raises.
        """
        if handler.timeout is not None:
            self._call_timed(handler, argument, handler.timeout)
            return
        try:
            result = handler.function(argument)
        except asyncio.CancelledError as error:
            raise _cancelled() from error
        if result is not None:
            self._finish(handler, result, None)

    def _call_timed(self, handler: Handler, argument: Any, seconds: float) -> None:
        began = time.monotonic()
        if handler.is_async:
            result = handler.function(argument)
        else:
            running = self._runner.submit(functools.partial(handler.function, argument))
            if not wait([running], seconds).done:
                raise HandlerTimeoutError(handler.name, seconds, running)
            try:
                result = running.result()
            except asyncio.CancelledError as error:
                raise _cancelled() from error
        if result is not None:
            self._finish(handler, result, began + seconds)

    def _finish(self, handler: Handler, result: Any, deadline: float | None) -> None:
        """Run what a handler returned, if it is something that runs later.

        Args:
            handler: Who returned it.
            result: Anything; most things are nobody's business.
            deadline: On the monotonic clock; None waits for ever.
        """
        # The record's offset waits for its publications anyway.
        if getattr(result, "in_handler", False) is True:
            return
        if isinstance(result, _NEVER_RUN) and not inspect.isawaitable(result):
            raise _never_run(handler, result)
        if not isinstance(result, Future) and not inspect.isawaitable(result):
            return
        ended: Future[Any] = Future()
        self._waiting.add(ended)
        try:
            tasks = self._start(handler, result, ended)
            if self._exit is not None:
                raise self._exit
            if deadline is not None and not wait([ended], max(0.0, deadline - time.monotonic())).done:
                self._cancel(tasks)
                wait([ended], _CANCEL_SECONDS)
                raise HandlerTimeoutError(
                    handler.name, handler.timeout or 0.0, None if ended.done() else ended
                )
            ended.result()
        finally:
            self._waiting.discard(ended)

    def _start(self, handler: Handler, result: Any, ended: Future[Any]) -> list[asyncio.Task[None]]:
        loop = self._running_loop()
        context = contextvars.copy_context()
        tasks: list[asyncio.Task[None]] = []

        async def run() -> None:
            # A SystemExit that leaves a task ends its whole loop, and with it whoever waits for this one.
            try:
                await _run_through(handler, result)
            except asyncio.CancelledError as error:
                failure = _cancelled()
                failure.__cause__ = error
                _end(ended, failure)
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                _end(ended, error)
            else:
                _end(ended, None)

        loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(run(), context=context)))
        return tasks

    def _cancel(self, tasks: list[asyncio.Task[None]]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])

    def _escaped(self, error: BaseException) -> None:
        """A task that a handler started wants the program to end: so do the handlers that are running."""
        self._exit = error
        for ended in list(self._waiting):
            _end(ended, error)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._exit = None
                self._own.acquire()
                self._loop, self._owned = self._own.loop, True
            return self._loop

    def close(self) -> None:
        """Stop the loop if it is ours."""
        with self._lock:
            owned, self._owned, self._loop = self._owned, False, None
        self._runner.close()
        if owned:
            self._own.release()


async def _run_through(handler: Handler, result: Any) -> None:
    """Await a result, and the result's result, as long as there is something to wait for."""
    while True:
        if isinstance(result, Future):
            result = asyncio.wrap_future(result)
        if inspect.isawaitable(result):
            awaitable: Awaitable[Any] = result
            result = await awaitable
        elif isinstance(result, _NEVER_RUN):
            raise _never_run(handler, result)
        else:
            return


def _end(ended: Future[Any], error: BaseException | None) -> None:
    try:
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)
    except InvalidStateError:
        pass  # the loop was left before


def _cancelled() -> InterruptedError:
    # A cancelled task is a failure of the handler; as a CancelledError it would end the member's thread.
    return InterruptedError("the handler's task was cancelled")


def _never_run(handler: Handler, result: Any) -> HandlerError:
    kind = type(result).__name__.replace("_", " ")
    return HandlerError(
        f"{handler.name} returned a {kind}, whose code has not run: iterate over it in the handler, "
        "or return nothing"
    )
