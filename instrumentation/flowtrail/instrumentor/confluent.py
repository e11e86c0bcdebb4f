"""Zero-code instrumentation of confluent-kafka.

Its classes are written in C and can't be patched, so subclasses take their places in the module. A program
that imports the names before `instrument()` keeps the originals; `opentelemetry-instrument` comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import Any

from flowtrail._wrap import confluent as traced
from flowtrail._wrap.proxy import left_alone
from flowtrail._wrap.scope import Receiver
from flowtrail.instrumentor._base import FlowtrailInstrumentor, Patches


class ConfluentKafkaInstrumentor(FlowtrailInstrumentor):
    """Traces every `Producer` and `Consumer` of confluent-kafka, and their (de)serializing variants."""

    requires = ("confluent-kafka >= 2.0, < 3",)

    def _patch(self, patches: Patches) -> None:
        import confluent_kafka

        patches.replace(confluent_kafka, "Producer", lambda base: self._subclass(base, ("produce",)))
        patches.replace(
            confluent_kafka,
            "Consumer",
            lambda base: self._subclass(base, ("poll", "consume", "commit", "close")),
        )
        # These are Python classes on top of the originals.
        producer = getattr(confluent_kafka, "SerializingProducer", None)
        if producer is not None:
            patches.replace(producer, "__init__", self._init)
            patches.replace(producer, "produce", self._produce)
        consumer = getattr(confluent_kafka, "DeserializingConsumer", None)
        if consumer is not None:
            patches.replace(consumer, "__init__", self._init)
            patches.replace(consumer, "poll", self._received(traced.poll))
            patches.replace(consumer, "consume", self._received(traced.consume))
            patches.replace(consumer, "close", self._close)

    def _subclass(self, base: type[Any], methods: tuple[str, ...]) -> type[Any]:
        around = {
            "produce": self._produce,
            "poll": self._received(traced.poll),
            "consume": self._received(traced.consume),
            "commit": self._received(traced.commit),
            "close": self._close,
        }
        body: dict[str, Any] = {name: around[name](getattr(base, name)) for name in methods}
        body["__init__"] = self._init(base.__init__)
        body["__module__"] = base.__module__
        body["__doc__"] = base.__doc__

        class SamePlace(type):
            """Objects that were made before the subclass took the name still pass for it."""

            def __instancecheck__(cls, instance: Any) -> bool:
                return (
                    isinstance(instance, base) if cls is replacement else super().__instancecheck__(instance)
                )

        replacement: Any = SamePlace(base.__name__, (base,), body)
        return replacement  # type: ignore[no-any-return]

    def _init(self, original: Any) -> Any:
        @wraps(original)
        def init(client: Any, *arguments: Any, **named: Any) -> None:
            original(client, *arguments, **named)
            settings = arguments[0] if arguments and isinstance(arguments[0], Mapping) else {}
            client._flowtrail_settings = {**settings, **named}

        return init

    def _produce(self, original: Any) -> Any:
        @wraps(original)
        def produce(producer: Any, topic: str, *arguments: Any, **named: Any) -> Any:
            sender = self.sender_of(producer, _client_id_of)
            if sender is None:
                return original(producer, topic, *arguments, **named)
            theirs = getattr(producer, "_flowtrail_settings", {}).get("on_delivery")
            return traced.produce(sender, original.__get__(producer), theirs, topic, *arguments, **named)

        return produce

    def _receiver(self, consumer: Any) -> Receiver | None:
        telemetry = self.telemetry
        if telemetry is None or left_alone(consumer):
            return None
        receiver: Receiver | None = getattr(consumer, "_flowtrail_receiver", None)
        if receiver is None or receiver.telemetry is not telemetry:
            settings = getattr(consumer, "_flowtrail_settings", {})
            receiver = Receiver(telemetry, settings.get("group.id"), settings.get("client.id"))
            consumer._flowtrail_receiver = receiver
        return receiver

    def _received(self, around: Any) -> Any:
        def make(original: Any) -> Any:
            @wraps(original)
            def call(consumer: Any, *arguments: Any, **named: Any) -> Any:
                receiver = self._receiver(consumer)
                if receiver is None:
                    return original(consumer, *arguments, **named)
                return around(receiver, original.__get__(consumer), *arguments, **named)

            return call

        return make

    def _close(self, original: Any) -> Any:
        @wraps(original)
        def close(consumer: Any, *arguments: Any, **named: Any) -> Any:
            receiver = self._receiver(consumer)
            if receiver is not None:
                receiver.take_back()
            return original(consumer, *arguments, **named)

        return close


def _client_id_of(client: Any) -> str | None:
    value = getattr(client, "_flowtrail_settings", {}).get("client.id")
    return value if isinstance(value, str) else None
