"""Handling that begins when a record is handed over and ends when the next one is asked for.

A program's own loop has no block that a span could be put around: the handler is whatever runs between
two calls of the consumer. A `Scope` spans exactly that. It ends with the next call, the end of the loop, the
closing of the consumer, the end of the task that ran the handler, or the end of the program.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from flowtrail._context import current_flow

if TYPE_CHECKING:
    from flowtrail._record import RecordLike
    from flowtrail._telemetry import Processing, Telemetry

T = TypeVar("T")


class Scope:
    """An open handling of one record."""

    __slots__ = ("__weakref__", "_processing")

    def __init__(self, processing: Processing) -> None:
        self._processing: Processing | None = processing
        _open.add(self)
        processing.__enter__()

    def close(self, error: BaseException | None = None) -> None:
        """End the handling; further calls do nothing.

        Args:
            error: What the handler raised, if known; else the exception being handled right now counts.
        """
        processing, self._processing = self._processing, None
        if processing is None:
            return
        error = error or sys.exc_info()[1]
        if isinstance(error, StopIteration | StopAsyncIteration | GeneratorExit):
            error = None
        flow: Any = current_flow()
        # Where another task or thread ends this, its context isn't ours to restore.
        processing.leave(error, restore=flow is processing)

    def __del__(self) -> None:
        self.close()


_open: WeakSet[Scope] = WeakSet()


@cache
def _close_at_exit() -> None:
    """Registered late, once: what was registered earlier, an exporter's shutdown, runs after it."""
    atexit.register(_close_all)


def _close_all() -> None:
    """The program ends inside handlers: report them, with what ended it."""
    error = getattr(sys, "last_value", None)
    for scope in list(_open):
        scope.close(error)


class Receiver:
    """What a consumer has handed over and not yet taken back.

    Args:
        telemetry: Where to report.
        group: Consumer group.
        client_id: The client's own id.
    """

    __slots__ = ("_client_id", "_group", "_last", "telemetry")

    def __init__(self, telemetry: Telemetry, group: str | None, client_id: str | None) -> None:
        self.telemetry = telemetry
        self._group = group
        self._client_id = client_id
        self._last: Scope | None = None
        _close_at_exit()

    @property
    def group(self) -> str | None:
        """Consumer group."""
        return self._group

    def hand_over(self, record: RecordLike) -> None:
        """A record goes to the program: its handling begins."""
        try:
            self._last = Scope(
                self.telemetry.processing(record, group=self._group, client_id=self._client_id)
            )
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            self.telemetry.internal_error("receive", failure)

    def take_back(self, error: BaseException | None = None) -> None:
        """The program asks for more, or ends: the handling of the last record is over."""
        scope, self._last = self._last, None
        if scope is not None:
            scope.close(error)

    def batch(self, records: list[T], as_record: Any = None) -> list[T]:
        """The same records in a list whose iteration opens and ends each one's handling."""
        return TracedList(records, self, as_record) if records else records


class TaskReceiver(Receiver):
    """A receiver for a consumer that several tasks may ask: each ends only what it was handed itself.

    What a task still holds when it is done ends with it.
    """

    __slots__ = ("_by_task",)

    def __init__(self, telemetry: Telemetry, group: str | None, client_id: str | None) -> None:
        super().__init__(telemetry, group, client_id)
        self._by_task: WeakKeyDictionary[Any, Scope] = WeakKeyDictionary()

    def hand_over(self, record: RecordLike) -> None:
        """See `Receiver.hand_over`."""
        super().hand_over(record)
        scope, self._last = self._last, None
        task = asyncio.current_task()
        if scope is None or task is None:
            return
        if task not in self._by_task:
            task.add_done_callback(self._task_done)
        self._by_task[task] = scope

    def take_back(self, error: BaseException | None = None) -> None:
        """See `Receiver.take_back`."""
        scope = self._by_task.get(asyncio.current_task())
        if scope is not None:
            scope.close(error)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        scope = self._by_task.pop(task, None)
        if scope is not None:
            # Not with the task's exception: to look at it would keep asyncio from reporting it.
            scope.close()


class TracedList(list[T]):
    """A list of records, each of which is being handled while the loop over it stands at that record."""

    def __init__(self, records: Iterable[T], receiver: Receiver, as_record: Any) -> None:
        super().__init__(records)
        self._receiver = receiver
        self._as_record = as_record

    def __iter__(self) -> Iterator[T]:
        receiver, as_record = self._receiver, self._as_record
        try:
            for record in super().__iter__():
                receiver.take_back()
                handled: Any = record if as_record is None else as_record(record)
                if handled is not None:
                    receiver.hand_over(handled)
                yield record
        finally:
            receiver.take_back()

    def __reduce__(self) -> Any:
        return list, (list(super().__iter__()),)
