"""Running plain functions that have a time limit."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

_IDLE_SECONDS = 10.0

_Job = tuple[contextvars.Context, Callable[[], Any], "Future[Any]"]


class Runner:
    """Threads for functions: one that takes too long keeps its thread, the next function gets another.

    The threads are daemons: a function that never ends doesn't keep the process from ending.

    Args:
        name: The threads' name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[_Job | None]] = []

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Run a function in a copy of the current context; whatever it raises is in the future."""
        ended: Future[Any] = Future()
        with self._lock:
            jobs = self._idle.pop() if self._idle else None
        if jobs is None:
            jobs = SimpleQueue()
            threading.Thread(target=self._run, args=(jobs,), name=self._name, daemon=True).start()
        jobs.put((contextvars.copy_context(), function, ended))
        return ended

    def close(self) -> None:
        """End the threads that have nothing to do; the others end when they have been idle for a while."""
        with self._lock:
            idle, self._idle = self._idle, []
        for jobs in idle:
            jobs.put(None)

    def _run(self, jobs: SimpleQueue[_Job | None]) -> None:
        while (job := self._next(jobs)) is not None:
            self._do(job, jobs)
            del job  # or an idle thread would keep the last function's context alive

    def _next(self, jobs: SimpleQueue[_Job | None]) -> _Job | None:
        try:
            return jobs.get(timeout=_IDLE_SECONDS)
        except Empty:
            with self._lock:
                if jobs in self._idle:
                    self._idle.remove(jobs)
                    return None
            return jobs.get()

    def _do(self, job: _Job, jobs: SimpleQueue[_Job | None]) -> None:
        context, function, ended = job
        result, raised = None, None
        try:
            result = context.run(function)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            raised = error
        with self._lock:
            self._idle.append(jobs)
        if raised is not None:
            ended.set_exception(raised)
        else:
            ended.set_result(result)
