"""What the instrumentors share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from functools import wraps
from inspect import signature
from typing import Any

from flowtrail._telemetry import Telemetry
from flowtrail._telemetry.attributes import KAFKA
from flowtrail._wrap.calls import Shape
from flowtrail._wrap.proxy import left_alone
from flowtrail._wrap.scope import Receiver
from flowtrail.errors import MissingExtraError

try:
    from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
except ImportError as _error:
    raise MissingExtraError("opentelemetry-instrumentation", "zero-code") from _error

_LOG = logging.getLogger("flowtrail")
_SETTINGS = tuple(signature(Telemetry).parameters)


class Patches:
    """Attributes of classes and modules that were replaced, to be put back."""

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any, Any, bool]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace an attribute by what `make` makes of it; does nothing if there is none."""
        original = getattr(owner, name, None)
        if original is None:
            return
        own = name in vars(owner)
        replacement = make(original)
        setattr(owner, name, replacement)
        self._replaced.append((owner, name, original, replacement, own))

    def undo(self) -> None:
        """Put everything back that nobody has replaced since."""
        while self._replaced:
            owner, name, original, replacement, own = self._replaced.pop()
            if getattr(owner, name, None) is not replacement:
                continue
            if own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)


class FlowtrailInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Base of the instrumentors: builds the `Telemetry`, keeps the patches.

    `instrument()` takes the keyword arguments of `Telemetry`, all of them optional.
    """

    requires: tuple[str, ...] = ()
    system = KAFKA
    telemetry: Telemetry | None = None
    """None before `instrument()` and after `uninstrument()`: what is still patched then does nothing."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """The client and its versions that this was made for."""
        return self.requires

    def _instrument(self, **settings: Any) -> None:
        known = {name: settings[name] for name in _SETTINGS if settings.get(name) is not None}
        self.telemetry = Telemetry(**{**known, "system": self.system})
        self._patches = Patches()
        self._patch(self._patches)

    def _uninstrument(self, **_settings: Any) -> None:
        self._patches.undo()
        telemetry, self.telemetry = self.telemetry, None
        if telemetry is not None:
            telemetry.close()

    def sender_of(self, producer: Any, shape: Shape, make: Callable[[Telemetry, Any, Shape], Any]) -> Any:
        """The producer's own `Sender`; None if its messages are not to be traced.

        Args:
            producer: The client.
            shape: What the method that is replaced takes.
            make: Makes the `Sender`.
        """
        telemetry = self.telemetry
        if telemetry is None or left_alone(producer):
            return None
        sender = getattr(producer, "_flowtrail_sender", None)
        if sender is None or sender.tracer.telemetry is not telemetry:
            sender = producer._flowtrail_sender = make(telemetry, producer, shape)
        return sender

    def left_out(self, why: str) -> None:
        """Say that a class is not traced."""
        _LOG.warning("not traced: %s", why)

    def receiver_of(self, consumer: Any) -> Receiver | None:
        """The consumer's own `Receiver`; None if its messages are not to be traced."""
        telemetry = self.telemetry
        if telemetry is None or left_alone(consumer):
            return None
        receiver: Receiver | None = getattr(consumer, "_flowtrail_receiver", None)
        if receiver is None or receiver.telemetry is not telemetry:
            receiver = consumer._flowtrail_receiver = self._new_receiver(telemetry, consumer)
        return receiver

    def received(self, around: Callable[..., Any]) -> Callable[[Any], Any]:
        """How to replace a method that blocks: `around` is called with the receiver and the original."""

        def make(original: Any) -> Any:
            @wraps(original)
            def call(consumer: Any, /, *arguments: Any, **named: Any) -> Any:
                receiver = self.receiver_of(consumer)
                if receiver is None:
                    return original(consumer, *arguments, **named)
                return around(receiver, original.__get__(consumer), *arguments, **named)

            return call

        return make

    def _new_receiver(self, telemetry: Telemetry, consumer: Any) -> Receiver:
        raise NotImplementedError

    def _patch(self, patches: Patches) -> None:
        raise NotImplementedError


def close(receiver: Receiver, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """The client's own `close`, at which the last record's handling is over."""
    receiver.close()
    return call(*arguments, **named)
