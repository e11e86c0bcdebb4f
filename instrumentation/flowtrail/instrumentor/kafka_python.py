"""Zero-code instrumentation of kafka-python."""

from __future__ import annotations

from functools import wraps
from typing import Any

from flowtrail._telemetry import Telemetry
from flowtrail._wrap import kafka_python as traced
from flowtrail._wrap.calls import given, shape_of
from flowtrail._wrap.scope import Receiver
from flowtrail.instrumentor._base import FlowtrailInstrumentor, Patches, close

_UPDATE_OFFSETS = 2
"""Place of that argument of `KafkaConsumer.poll`."""


class KafkaPythonInstrumentor(FlowtrailInstrumentor):
    """Traces every `KafkaProducer` and `KafkaConsumer`, subclasses included."""

    requires = ("kafka-python >= 2.0, < 4",)

    def _patch(self, patches: Patches) -> None:
        from kafka import KafkaConsumer, KafkaProducer

        patches.replace(KafkaProducer, "send", self._send)
        patches.replace(KafkaConsumer, "__next__", self._next)
        patches.replace(KafkaConsumer, "poll", self._poll)
        patches.replace(KafkaConsumer, "commit", self.received(traced.commit))
        patches.replace(KafkaConsumer, "close", self.received(close))

    def _send(self, original: Any) -> Any:
        from kafka import KafkaProducer

        shape = shape_of(KafkaProducer, "send")

        @wraps(original)
        def send(producer: Any, /, *arguments: Any, **named: Any) -> Any:
            sender = self.sender_of(producer, shape, traced.Sender)
            if sender is None:
                return original(producer, *arguments, **named)
            return sender.send(original.__get__(producer), *arguments, **named)

        return send

    def _new_receiver(self, telemetry: Telemetry, consumer: Any) -> Receiver:
        return Receiver(telemetry, traced.group_of(consumer), traced.client_id_of(consumer))

    def _next(self, original: Any) -> Any:
        @wraps(original)
        def next_record(consumer: Any) -> Any:
            receiver = self.receiver_of(consumer)
            if receiver is None:
                return original(consumer)
            receiver.take_back()
            record = original(consumer)
            receiver.hand_over(record)
            return record

        return next_record

    def _poll(self, original: Any) -> Any:
        received = self.received(traced.poll)(original)

        @wraps(original)
        def poll(consumer: Any, /, *arguments: Any, **named: Any) -> Any:
            # Iteration polls underneath, with update_offsets=False; its records are handed over one by one.
            iterating = given(arguments, named, _UPDATE_OFFSETS, "update_offsets") is False
            call = original if iterating else received
            return call(consumer, *arguments, **named)

        return poll
