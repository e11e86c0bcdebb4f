"""Zero-code instrumentation of kafka-python."""

from __future__ import annotations

from functools import wraps
from typing import Any

from flowtrail._wrap import kafka_python as traced
from flowtrail._wrap.proxy import left_alone
from flowtrail._wrap.scope import Receiver
from flowtrail.instrumentor._base import FlowtrailInstrumentor, Patches


class KafkaPythonInstrumentor(FlowtrailInstrumentor):
    """Traces every `KafkaProducer` and `KafkaConsumer`, subclasses included."""

    requires = ("kafka-python >= 2.0, < 4",)

    def _patch(self, patches: Patches) -> None:
        from kafka import KafkaConsumer, KafkaProducer

        patches.replace(KafkaProducer, "send", self._send)
        patches.replace(KafkaConsumer, "__next__", self._next)
        patches.replace(KafkaConsumer, "poll", self._poll)
        patches.replace(KafkaConsumer, "commit", self._commit)
        patches.replace(KafkaConsumer, "close", self._close)

    def _send(self, original: Any) -> Any:
        @wraps(original)
        def send(producer: Any, topic: str, *arguments: Any, **named: Any) -> Any:
            sender = self.sender_of(producer, traced.client_id_of)
            if sender is None:
                return original(producer, topic, *arguments, **named)
            possible = traced.takes_headers(producer)
            return traced.send(sender, original.__get__(producer), possible, topic, *arguments, **named)

        return send

    def _receiver(self, consumer: Any) -> Receiver | None:
        telemetry = self.telemetry
        if telemetry is None or left_alone(consumer):
            return None
        receiver: Receiver | None = getattr(consumer, "_flowtrail_receiver", None)
        if receiver is None or receiver.telemetry is not telemetry:
            receiver = Receiver(telemetry, traced.group_of(consumer), traced.client_id_of(consumer))
            consumer._flowtrail_receiver = receiver
        return receiver

    def _next(self, original: Any) -> Any:
        @wraps(original)
        def next_record(consumer: Any) -> Any:
            receiver = self._receiver(consumer)
            if receiver is None:
                return original(consumer)
            receiver.take_back()
            record = original(consumer)
            receiver.hand_over(record)
            return record

        return next_record

    def _poll(self, original: Any) -> Any:
        @wraps(original)
        def poll(consumer: Any, *arguments: Any, **named: Any) -> Any:
            receiver = self._receiver(consumer)
            # Iteration polls underneath, with update_offsets=False; its records are handed over one by one.
            if receiver is None or named.get("update_offsets") is False:
                return original(consumer, *arguments, **named)
            return traced.poll(receiver, original.__get__(consumer), *arguments, **named)

        return poll

    def _commit(self, original: Any) -> Any:
        @wraps(original)
        def commit(consumer: Any, *arguments: Any, **named: Any) -> Any:
            receiver = self._receiver(consumer)
            if receiver is None:
                return original(consumer, *arguments, **named)
            return traced.commit(receiver, original.__get__(consumer), *arguments, **named)

        return commit

    def _close(self, original: Any) -> Any:
        @wraps(original)
        def close(consumer: Any, *arguments: Any, **named: Any) -> Any:
            receiver = self._receiver(consumer)
            if receiver is not None:
                receiver.take_back()
            return original(consumer, *arguments, **named)

        return close
