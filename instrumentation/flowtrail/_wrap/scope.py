"""Handling that begins when a record is handed over and ends when the next one is asked for.

A program's own loop has no block that a span could be put around: the handler is whatever runs between
two calls of the consumer. A `Receiver` keeps exactly that open. It ends with the next call, the end of the
loop, the closing of the consumer, the end of the task that ran the handler, or the end of the program.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from flowtrail._context import FLOW_KEY, attach, get_current
from flowtrail._telemetry import Processing, Revisit, step_out_of_ended
from flowtrail._wrap.proxy import Proxy, keep

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from flowtrail._telemetry import Telemetry
    from flowtrail._telemetry.routes import ProcessRoute
    from flowtrail.wire import Envelope, RecordLike

T = TypeVar("T")

_MANY_ROUTES = 1000

NO_ERRORS = (StopIteration, StopAsyncIteration, GeneratorExit)
"""How loops end."""


class Receiver:
    """What a consumer has handed over and not yet taken back.

    Args:
        telemetry: Where to report.
        group: Consumer group.
        client_id: The client's own id.
    """

    def __init__(self, telemetry: Telemetry, group: str | None, client_id: str | None) -> None:
        self.telemetry = telemetry
        self.group = group
        self.client_id = client_id
        self._last: Processing | None = None
        self._inside: Context | None = None
        self._before: BaseException | None = None
        self._routes: dict[str, ProcessRoute] = {}
        self._other_routes: dict[tuple[str, str | None], ProcessRoute] = {}
        _open.add(self)
        _close_at_exit()

    def route(self, topic: str, group: str | None) -> ProcessRoute:
        """What the records of a topic share that are read for a group other than the consumer's own."""
        route = self._other_routes.get((topic, group))
        if route is None:
            if len(self._other_routes) > _MANY_ROUTES:  # exchanges made of ids, by mistake
                self._other_routes.clear()
            route = self.telemetry.process_route(topic, group, self.client_id)
            self._other_routes[topic, group] = route
        return route

    def _all_routes(self) -> list[ProcessRoute]:
        return [*self._routes.values(), *self._other_routes.values()]

    def hand_over(
        self, record: RecordLike, route: ProcessRoute | None = None, envelope: Envelope | None = None
    ) -> Processing | None:
        """A record goes to the program: its handling begins.

        Args:
            record: The record.
            route: Where it came from, if that isn't the consumer's own group.
            envelope: What it says, if that was read already.

        Returns:
            The handling; None if telemetry itself failed.
        """
        telemetry = self.telemetry
        try:
            if route is None:
                topic = record.topic
                route = self._routes.get(topic)
                if route is None:
                    route = self._routes[topic] = telemetry.process_route(topic, self.group, self.client_id)
            self._last = Processing(telemetry, route, record, envelope or telemetry.read(record)).__enter__()
            self._inside = get_current()
            return self._last
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("receive", failure)
            return None

    def revisit(self, processing: Processing) -> None:
        """A record whose handling is over goes to the program once more."""
        self._last = Revisit(processing).__enter__()
        self._inside = get_current()

    def take_back(self, error: BaseException | None = None) -> None:
        """The program asks for more, or ends: the handling of the last record is over.

        Args:
            error: What the handler raised, if known; else the exception being handled right now counts,
                unless the program was handling it already when it got the record.
        """
        raised = sys.exception()
        if raised is not None and isinstance(raised, NO_ERRORS):
            raised = None
        last = self._last
        if last is not None:
            self._last = None
            if error is None and raised is not self._before:
                error = raised
            inside, self._inside = self._inside, None
            self._leave(last, inside, error)
        elif get_current().get(FLOW_KEY) is not None:
            step_out_of_ended(self._all_routes())
        self._before = raised

    def _leave(self, processing: Processing, inside: Context | None, error: BaseException | None) -> None:
        """End a handling; `inside` is the context that it began with."""
        if get_current() is inside and processing._outer is not None:
            attach(processing._outer)
            processing.leave(error, restore=False)
        else:  # something else is current: the handling of another consumer, a block of the program
            processing.leave(error, restore=False)
            step_out_of_ended(self._all_routes())

    def take_all_back(self, error: BaseException | None = None) -> None:
        """Everything that is still out comes back: the program ends."""
        if self._last is not None:
            self.take_back(error)

    def close(self, error: BaseException | None = None) -> None:
        """Like `take_back`, with all that nobody else would ever take back: the consumer is closed."""
        self.take_back(error)
        self._before = None

    def batch(self, records: list[T], as_record: Any = None) -> list[T]:
        """The same records in a list whose iteration opens and ends each one's handling."""
        return TracedList(records, self, as_record) if records else records

    def __del__(self) -> None:
        self.take_all_back()


_open: WeakSet[Receiver] = WeakSet()


@cache
def _close_at_exit() -> None:
    """Registered late, once: what was registered earlier, an exporter's shutdown, runs after it."""
    atexit.register(_close_all)


def _close_all() -> None:
    """The program ends inside handlers: report them, with what ended it."""
    error = getattr(sys, "last_value", None)
    for receiver in list(_open):
        receiver.take_all_back(error)


class TracedList(list[T]):
    """A list of records, each of which is being handled while the loop over it stands at that record.

    A record is handled once. A second loop over the list runs in the flows of the records again, and reports
    nothing.
    """

    def __init__(self, records: Iterable[T], receiver: Receiver, as_record: Any) -> None:
        super().__init__(records)
        self._receiver = receiver
        self._as_record = as_record
        self._handled: dict[int, tuple[T, Processing]] = {}

    def __iter__(self) -> Iterator[T]:
        receiver, as_record, handled = self._receiver, self._as_record, self._handled
        try:
            for record in super().__iter__():
                receiver.take_back()
                first = handled.get(id(record))
                if first is not None:
                    receiver.revisit(first[1])
                else:
                    readable: Any = record if as_record is None else as_record(record)
                    processing = None if readable is None else receiver.hand_over(readable)
                    if processing is not None:
                        handled[id(record)] = record, processing
                yield record
        finally:
            receiver.take_back()

    def __reduce__(self) -> Any:
        return list, (list(super().__iter__()),)


class Records:
    """The records of a consumer whose `__iter__` is its own, each handled until the next is asked for."""

    def __init__(self, records: Iterator[Any], receiver: Receiver) -> None:
        self._records = records
        self._receiver = receiver

    def __iter__(self) -> Records:
        return self

    def __next__(self) -> Any:
        self._receiver.take_back()
        record = next(self._records)
        self._receiver.hand_over(record)
        return record


class AsyncRecords:
    """Likewise for an `__aiter__`."""

    def __init__(self, records: AsyncIterator[Any], receiver: Receiver) -> None:
        self._records = records
        self._receiver = receiver

    def __aiter__(self) -> AsyncRecords:
        return self

    async def __anext__(self) -> Any:
        self._receiver.take_back()
        record = await anext(self._records)
        self._receiver.hand_over(record)
        return record


class ReceivingProxy(Proxy):
    """A consumer that blocks, whose records are being handled between two calls.

    Args:
        consumer: The client's own.
        receiver: Keeps the handling open.
    """

    def __init__(self, consumer: Any, receiver: Receiver) -> None:
        super().__init__(consumer)
        keep(self, "_flowtrail_receiver", receiver)

    def close(self, *arguments: Any, **named: Any) -> Any:
        """See the client's own `close`."""
        self._flowtrail_receiver.close()
        return self.__wrapped__.close(*arguments, **named)

    def __exit__(self, *exception: Any) -> Any:
        self._flowtrail_receiver.close(exception[1] if len(exception) > 1 else None)
        return self.__wrapped__.__exit__(*exception)


def topics_of(arguments: tuple[Any, ...], named: dict[str, Any]) -> set[str]:
    """Topics that a call of kafka-python's or aiokafka's `commit` is about, as far as it names them."""
    offsets = arguments[0] if arguments else named.get("offsets")
    if not isinstance(offsets, dict):
        return set()
    topics = {getattr(partition, "topic", None) for partition in offsets}
    return {topic for topic in topics if isinstance(topic, str)}


def text_or_none(value: Any) -> str | None:
    """A setting of a client if it is text."""
    return value if isinstance(value, str) else None
