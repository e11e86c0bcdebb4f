"""Zero-code instrumentation of aio-pika."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from flowtrail._wrap import aio_pika as traced
from flowtrail._wrap.amqp import Deliveries
from flowtrail._wrap.proxy import left_alone
from flowtrail.instrumentor._base import FlowtrailInstrumentor, Patches

_Around = Callable[..., Any]


class AioPikaInstrumentor(FlowtrailInstrumentor):
    """Traces every exchange, queue and iterator, robust ones and patterns on top of them included."""

    requires = ("aio-pika >= 10, < 11",)
    system = traced.SYSTEM

    def _patch(self, patches: Patches) -> None:
        from aio_pika.exchange import Exchange
        from aio_pika.queue import Queue, QueueIterator
        from aio_pika.robust_queue import RobustQueueIterator

        self._deliveries: WeakKeyDictionary[Any, Deliveries] = WeakKeyDictionary()
        patches.replace(Exchange, "publish", self._publish)
        patches.replace(Queue, "consume", self._consume)
        patches.replace(Queue, "get", self._around(traced.get, _name))
        for kind in (QueueIterator, RobustQueueIterator):
            if "__anext__" in vars(kind):
                patches.replace(kind, "__anext__", self._around(traced.get, _iterated_name))
        patches.replace(QueueIterator, "close", self._around(_close, _iterated_name))

    def _publish(self, original: Any) -> Any:
        assert self.telemetry is not None  # it is made before anything is patched
        sender = traced.Sender(self.telemetry)

        @wraps(original)
        async def publish(exchange: Any, /, *arguments: Any, **named: Any) -> Any:
            if self.telemetry is not sender.telemetry or left_alone(exchange):
                return await original(exchange, *arguments, **named)
            return await sender.publish(exchange.name, original.__get__(exchange), *arguments, **named)

        return publish

    def _consume(self, original: Any) -> Any:
        from aio_pika.queue import QueueIterator

        received = self._around(traced.consume, _name)(original)

        @wraps(original)
        async def consume(queue: Any, /, *arguments: Any, **named: Any) -> Any:
            callback = arguments[0] if arguments else named.get("callback")
            # An iterator puts messages aside; it hands them over one by one.
            puts_aside = isinstance(getattr(callback, "__self__", None), QueueIterator)
            return await (original if puts_aside else received)(queue, *arguments, **named)

        return consume

    def _around(self, around: _Around, name_of: Callable[[Any], str]) -> Callable[[Any], Any]:
        """How to replace a method that gets messages; `around` gets deliveries, the queue's name, the original."""

        def make(original: Any) -> Any:
            @wraps(original)
            async def call(owner: Any, /, *arguments: Any, **named: Any) -> Any:
                deliveries = self._deliveries_of(owner)
                if deliveries is None:
                    return await original(owner, *arguments, **named)
                return await around(deliveries, name_of(owner), original.__get__(owner), *arguments, **named)

            return call

        return make

    def _deliveries_of(self, owner: Any) -> Deliveries | None:
        telemetry = self.telemetry
        if telemetry is None or left_alone(owner):
            return None
        deliveries = self._deliveries.get(owner)
        if deliveries is None or deliveries.receiver.telemetry is not telemetry:
            deliveries = self._deliveries[owner] = traced.deliveries_of(telemetry)
        return deliveries


async def _close(deliveries: Deliveries, _queue: str, call: Any, /, *arguments: Any, **named: Any) -> Any:
    deliveries.receiver.close()
    return await call(*arguments, **named)


def _name(queue: Any) -> str:
    return str(queue.name)


def _iterated_name(iterator: Any) -> str:
    return str(iterator._amqp_queue.name)
