"""Handling in asyncio tasks: each task that asks a consumer has a record of its own in hand."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from sys import exc_info
from typing import TYPE_CHECKING, Any

from flowtrail._context import FLOW_KEY, get_current
from flowtrail._telemetry import Processing, step_out_of_ended
from flowtrail._wrap.scope import NO_ERRORS, Receiver

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from flowtrail._telemetry import Telemetry
    from flowtrail._telemetry.routes import ProcessRoute
    from flowtrail.wire import Envelope, RecordLike

    Held = tuple[Processing, Context | None, BaseException | None]
    """A handling, the context that it began with, and the exception that was being handled then."""

_LOG = logging.getLogger("flowtrail")


class TaskReceiver(Receiver):
    """A receiver for a consumer that several tasks may ask: each ends only what it was handed itself.

    What a task still holds when it is done ends with it, unless the record is the task's result: then the
    task only fetched it (`asyncio.wait_for` before Python 3.12, `create_task`), and whoever awaits it handles
    it, until any task that has nothing in hand asks for more.
    """

    def __init__(self, telemetry: Telemetry, group: str | None, client_id: str | None) -> None:
        super().__init__(telemetry, group, client_id)
        self._by_task: dict[asyncio.Task[Any], Held | None] = {}
        self._handed_on: deque[Processing] = deque()
        self._warned = False

    def hand_over(
        self, record: RecordLike, route: ProcessRoute | None = None, envelope: Envelope | None = None
    ) -> Processing | None:
        """See `Receiver.hand_over`."""
        processing = super().hand_over(record, route, envelope)
        self._keep()
        return processing

    def revisit(self, processing: Processing) -> None:
        """See `Receiver.revisit`."""
        super().revisit(processing)
        self._keep()

    def _keep(self) -> None:
        processing, self._last = self._last, None
        inside, self._inside = self._inside, None
        task = asyncio.current_task()
        if processing is None or task is None:
            return
        if task not in self._by_task:
            task.add_done_callback(self._task_done)
        self._by_task[task] = processing, inside, exc_info()[1]

    def take_back(self, error: BaseException | None = None) -> None:
        """See `Receiver.take_back`."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no event loop: called by the garbage collector or at the end of the program
            return
        held = self._by_task.get(task) if task is not None else None
        if task is not None and held is not None:
            self._by_task[task] = None
            self._end(*held, error)
        elif self._handed_on:
            self._end(self._handed_on.popleft(), None, None, error)
        elif get_current().get(FLOW_KEY) is not None:
            step_out_of_ended(self._all_routes())

    def close(self, error: BaseException | None = None) -> None:
        """See `Receiver.close`."""
        self.take_back(error)
        while self._handed_on:
            self._end(self._handed_on.popleft(), None, None, error)

    def take_all_back(self, error: BaseException | None = None) -> None:
        """See `Receiver.take_all_back`."""
        while self._by_task:
            held = self._by_task.popitem()[1]
            if held is not None:
                self._end(*held, error)
        while self._handed_on:
            self._end(self._handed_on.popleft(), None, None, error)

    def _end(
        self,
        processing: Processing,
        inside: Context | None,
        before: BaseException | None,
        error: BaseException | None,
    ) -> None:
        raised = exc_info()[1]
        if error is None and raised is not before and not isinstance(raised, NO_ERRORS):
            error = raised
        self._leave(processing, inside, error)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        held = self._by_task.pop(task, None)
        if held is None:
            return
        # Not by `result()`: to look at a task's exception would keep asyncio from reporting it.
        if getattr(task, "_result", None) is held[0].record:
            self._handed_on.append(held[0])
            self._warn()
        else:
            self._end(*held, None)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            _LOG.warning(
                "a record was fetched in a task of its own (asyncio.wait_for before Python 3.12, or create_task), "
                "so the code that handles it runs outside its flow and its span; await the consumer itself: "
                "async with asyncio.timeout(seconds): record = await consumer.getone()"
            )
