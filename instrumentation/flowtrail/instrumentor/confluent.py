"""Zero-code instrumentation of confluent-kafka.

Its classes are written in C and can't be patched, so subclasses take their places in the module. A program
that imports the names before `instrument()` keeps the originals; `opentelemetry-instrument` comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flowtrail._telemetry import Telemetry
from flowtrail._wrap import confluent as traced
from flowtrail._wrap.scope import Receiver, text_or_none
from flowtrail.instrumentor._base import FlowtrailInstrumentor, Patches, close

_Around = Mapping[str, Callable[[Any], Any]]
"""By method, what makes its replacement of it."""


class ConfluentKafkaInstrumentor(FlowtrailInstrumentor):
    """Traces every `Producer` and `Consumer` of confluent-kafka, and their (de)serializing variants."""

    requires = ("confluent-kafka >= 2.0, < 3",)

    def _patch(self, patches: Patches) -> None:
        import confluent_kafka

        producing: _Around = {"__init__": self._init, "produce": self._produce}
        receiving: _Around = {
            "__init__": self._init,
            "poll": self.received(traced.poll),
            "consume": self.received(traced.consume),
            "close": self.received(close),
        }
        committing: _Around = {**receiving, "commit": self.received(traced.commit)}
        patches.replace(confluent_kafka, "Producer", lambda base: self._subclass(base, producing))
        patches.replace(confluent_kafka, "Consumer", lambda base: self._subclass(base, committing))
        # These are Python classes on top of the originals.
        for name, around in (("SerializingProducer", producing), ("DeserializingConsumer", receiving)):
            kind = getattr(confluent_kafka, name, None)
            for method, make in around.items() if kind is not None else ():
                patches.replace(kind, method, make)

    def _subclass(self, base: type[Any], around: _Around) -> type[Any]:
        body: dict[str, Any] = {name: make(getattr(base, name)) for name, make in around.items()}
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
            tracer = self.tracer_of(producer, _client_id_of)
            if tracer is None:
                return original(producer, topic, *arguments, **named)
            theirs = getattr(producer, "_flowtrail_settings", {}).get("on_delivery")
            return traced.produce(tracer, original.__get__(producer), theirs, topic, *arguments, **named)

        return produce

    def _new_receiver(self, telemetry: Telemetry, consumer: Any) -> Receiver:
        settings = getattr(consumer, "_flowtrail_settings", {})
        return Receiver(telemetry, settings.get("group.id"), settings.get("client.id"))


def _client_id_of(client: Any) -> str | None:
    return text_or_none(getattr(client, "_flowtrail_settings", {}).get("client.id"))
