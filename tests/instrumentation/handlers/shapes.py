"""Every shape a handler can have: takes an event or a batch, and does its work at once or in a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import flowtrail

ADAPTERS = ("kafka-python", "confluent", "aiokafka")

Work = Callable[[flowtrail.Event[Any]], None]


class Shape(NamedTuple):
    """One shape.

    Attributes:
        name: For test ids.
        batch: As in `Trail.consumer`.
        is_async: Whether the handler is a coroutine function.
    """

    name: str
    batch: int | None
    is_async: bool

    def handler(self, work: Work, *, cancellable: bool = False) -> Callable[[Any], Any]:
        """A handler of this shape that does this work for each of its events.

        Args:
            work: Called with each event; may block.
            cancellable: A coroutine waits for the work in a thread, so that it can be cancelled meanwhile.
        """

        async def work_of(event: flowtrail.Event[Any]) -> None:
            if cancellable:
                await asyncio.to_thread(work, event)
            else:
                work(event)

        async def each_awaited(batch: flowtrail.Batch[Any]) -> None:
            for member in batch:
                with member as event:
                    await work_of(event)

        def each(batch: flowtrail.Batch[Any]) -> None:
            for member in batch:
                with member as event:
                    work(event)

        async def awaited(event: flowtrail.Event[Any]) -> None:
            await work_of(event)

        if self.batch is not None:
            return each_awaited if self.is_async else each
        return awaited if self.is_async else work

    def register(self, trail: flowtrail.Trail, topic: str, work: Work, **settings: Any) -> None:
        """Register such a handler."""
        cancellable = settings.pop("cancellable", False)
        trail.consumer(topic, batch=self.batch, **settings)(self.handler(work, cancellable=cancellable))


SHAPES = (
    Shape("plain", None, False),
    Shape("coroutine", None, True),
    Shape("batch", 10, False),
    Shape("coroutine-batch", 10, True),
)
