"""Zero-code instrumentation of aiokafka."""

from __future__ import annotations

from functools import wraps
from typing import Any

from flowtrail._wrap import aiokafka as traced
from flowtrail._wrap.proxy import left_alone
from flowtrail._wrap.scope import TaskReceiver
from flowtrail.instrumentor._base import FlowtrailInstrumentor, Patches


class AIOKafkaInstrumentor(FlowtrailInstrumentor):
    """Traces every `AIOKafkaProducer` and `AIOKafkaConsumer`, subclasses included."""

    requires = ("aiokafka >= 0.8, < 1.0",)

    def _patch(self, patches: Patches) -> None:
        from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

        patches.replace(AIOKafkaProducer, "send", self._send)  # send_and_wait calls it
        patches.replace(AIOKafkaConsumer, "getone", self._received(traced.getone))  # so does iteration
        patches.replace(AIOKafkaConsumer, "getmany", self._received(traced.getmany))
        patches.replace(AIOKafkaConsumer, "commit", self._received(traced.commit))
        patches.replace(AIOKafkaConsumer, "stop", self._stop)

    def _send(self, original: Any) -> Any:
        @wraps(original)
        async def send(producer: Any, topic: str, *arguments: Any, **named: Any) -> Any:
            sender = self.sender_of(producer, traced.client_id_of)
            if sender is None:
                return await original(producer, topic, *arguments, **named)
            return await traced.send(sender, original.__get__(producer), producer, topic, *arguments, **named)

        return send

    def _receiver(self, consumer: Any) -> TaskReceiver | None:
        telemetry = self.telemetry
        if telemetry is None or left_alone(consumer):
            return None
        receiver: TaskReceiver | None = getattr(consumer, "_flowtrail_receiver", None)
        if receiver is None or receiver.telemetry is not telemetry:
            receiver = TaskReceiver(telemetry, traced.group_of(consumer), traced.client_id_of(consumer))
            consumer._flowtrail_receiver = receiver
        return receiver

    def _received(self, around: Any) -> Any:
        def make(original: Any) -> Any:
            @wraps(original)
            async def call(consumer: Any, *arguments: Any, **named: Any) -> Any:
                receiver = self._receiver(consumer)
                if receiver is None:
                    return await original(consumer, *arguments, **named)
                return await around(receiver, original.__get__(consumer), *arguments, **named)

            return call

        return make

    def _stop(self, original: Any) -> Any:
        @wraps(original)
        async def stop(consumer: Any, *arguments: Any, **named: Any) -> Any:
            receiver = self._receiver(consumer)
            if receiver is not None:
                receiver.take_back()
            return await original(consumer, *arguments, **named)

        return stop
