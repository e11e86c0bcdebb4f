"""Zero-code instrumentation of confluent-kafka.

Its classes are written in C and can't be patched, so subclasses take their places in the module; the Python
classes on top of the originals that exist already are patched. A program that imports the names before
`instrument()` keeps the originals; `opentelemetry-instrument` comes first.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

from flowtrail._telemetry import Telemetry
from flowtrail._wrap import confluent as traced
from flowtrail._wrap.calls import Shape
from flowtrail._wrap.confluent_settings import group_of
from flowtrail._wrap.scope import Receiver, text_or_none
from flowtrail.errors import ConfigurationError
from flowtrail.instrumentor._base import FlowtrailInstrumentor, Patches, close

_Around = Mapping[str, Callable[[Any], Any]]
"""By method, what makes its replacement of it."""


class ConfluentKafkaInstrumentor(FlowtrailInstrumentor):
    """Traces every `Producer` and `Consumer` of confluent-kafka, and the classes on top of them."""

    requires = ("confluent-kafka >= 2.0, < 3",)

    def _patch(self, patches: Patches) -> None:
        import confluent_kafka

        receiving: _Around = {
            "__init__": self._init,
            "poll": self.received(traced.poll),
            "consume": self.received(traced.consume),
            "commit": self.received(traced.commit),
            "close": self.received(close),
        }
        producer, consumer = confluent_kafka.Producer, confluent_kafka.Consumer
        for kind in _subclasses(producer):
            self._patch_producer(patches, kind)
        for kind in _subclasses(consumer):
            for method, make in receiving.items():
                patches.replace(kind, method, make)
        producing: _Around = {"__init__": self._init, "produce": self._produce(producer)}
        patches.replace(confluent_kafka, "Producer", lambda base: self._subclass(base, producing))
        patches.replace(confluent_kafka, "Consumer", lambda base: self._subclass(base, receiving))

    def _patch_producer(self, patches: Patches, kind: type[Any]) -> None:
        try:
            produce = self._produce(kind)
        except ConfigurationError as refused:
            self.left_out(str(refused))
            return
        patches.replace(kind, "__init__", self._init)
        patches.replace(kind, "produce", produce)

    def _subclass(self, base: type[Any], around: _Around) -> type[Any]:
        body: dict[str, Any] = {name: make(getattr(base, name)) for name, make in around.items()}
        body["__module__"] = base.__module__
        body["__doc__"] = base.__doc__
        body[_REPLACEMENT] = True

        class SamePlace(ABCMeta):  # a program's subclass may be an ABC, too
            """What was made before the subclass took the name still passes for it."""

            def __instancecheck__(cls, instance: Any) -> bool:
                return (
                    isinstance(instance, base)
                    if cls is replacement
                    else type.__instancecheck__(cls, instance)
                )

            def __subclasscheck__(cls, kind: Any) -> bool:
                return issubclass(kind, base) if cls is replacement else type.__subclasscheck__(cls, kind)

        replacement: Any = SamePlace(base.__name__, (base,), body)
        return replacement  # type: ignore[no-any-return]

    def _init(self, original: Any) -> Any:
        @wraps(original)
        def init(client: Any, *arguments: Any, **named: Any) -> None:
            original(client, *arguments, **named)
            settings = {**named}
            for given in (*arguments, *named.values()):
                if isinstance(given, Mapping):
                    settings.update(given)
            client._flowtrail_settings = settings

        return init

    def _produce(self, kind: type[Any]) -> Callable[[Any], Any]:
        """How to replace the `produce` of a class.

        Raises:
            ConfigurationError: It leaves no way to hand headers or the callback on.
        """
        shape = traced.shape_of_produce(kind)

        def make(original: Any) -> Any:
            @wraps(original)
            def produce(producer: Any, /, *arguments: Any, **named: Any) -> Any:
                sender = self.sender_of(producer, shape, _sender)
                if sender is None:
                    return original(producer, *arguments, **named)
                return sender.send(original.__get__(producer), *arguments, **named)

            return produce

        return make

    def _new_receiver(self, telemetry: Telemetry, consumer: Any) -> Receiver:
        return Receiver(telemetry, group_of(consumer), _client_id_of(consumer))


_REPLACEMENT = "_flowtrail_replacement"


def _subclasses(original: type[Any]) -> Iterator[type[Any]]:
    """Classes right on top of a class in C: a call reaches it through them, whatever is on top of these."""
    for kind in original.__subclasses__():
        if _REPLACEMENT not in vars(kind):
            yield kind


def _sender(telemetry: Telemetry, producer: Any, shape: Shape) -> traced.Sender:
    return traced.Sender(telemetry, producer, shape, _client_id_of(producer))


def _client_id_of(client: Any) -> str | None:
    return text_or_none(getattr(client, "_flowtrail_settings", {}).get("client.id"))
