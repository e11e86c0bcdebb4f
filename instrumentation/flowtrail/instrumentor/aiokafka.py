"""Zero-code instrumentation of aiokafka."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flowtrail._telemetry import Telemetry
from flowtrail._wrap import aiokafka as traced
from flowtrail._wrap.calls import shape_of
from flowtrail._wrap.scope import Receiver
from flowtrail._wrap.tasks import TaskReceiver
from flowtrail.instrumentor._base import FlowtrailInstrumentor, Patches


class AIOKafkaInstrumentor(FlowtrailInstrumentor):
    """Traces every `AIOKafkaProducer` and `AIOKafkaConsumer`, subclasses included."""

    requires = ("aiokafka >= 0.8, < 1.0",)

    def _patch(self, patches: Patches) -> None:
        from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

        patches.replace(AIOKafkaProducer, "send", self._send)  # send_and_wait calls it
        patches.replace(AIOKafkaConsumer, "getone", self.received(traced.getone))  # so does iteration
        patches.replace(AIOKafkaConsumer, "getmany", self.received(traced.getmany))
        patches.replace(AIOKafkaConsumer, "commit", self.received(traced.commit))
        patches.replace(AIOKafkaConsumer, "stop", self.received(_stop))

    def _send(self, original: Any) -> Any:
        from aiokafka import AIOKafkaProducer

        shape = shape_of(AIOKafkaProducer, "send")

        @wraps(original)
        async def send(producer: Any, /, *arguments: Any, **named: Any) -> Any:
            sender = self.sender_of(producer, shape, traced.Sender)
            if sender is None:
                return await original(producer, *arguments, **named)
            return await sender.send(original.__get__(producer), *arguments, **named)

        return send

    def _new_receiver(self, telemetry: Telemetry, consumer: Any) -> TaskReceiver:
        return TaskReceiver(telemetry, traced.group_of(consumer), traced.client_id_of(consumer))

    def received(self, around: Callable[..., Any]) -> Callable[[Any], Any]:
        """See `FlowtrailInstrumentor.received`; what it makes stays a coroutine function."""

        def make(original: Any) -> Any:
            @wraps(original)
            async def call(consumer: Any, /, *arguments: Any, **named: Any) -> Any:
                receiver = self.receiver_of(consumer)
                if receiver is None:
                    return await original(consumer, *arguments, **named)
                return await around(receiver, original.__get__(consumer), *arguments, **named)

            return call

        return make


async def _stop(receiver: Receiver, call: Any, /, *arguments: Any, **named: Any) -> Any:
    receiver.close()
    return await call(*arguments, **named)
