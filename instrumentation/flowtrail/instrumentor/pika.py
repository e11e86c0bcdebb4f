"""Zero-code instrumentation of pika."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flowtrail._telemetry import Telemetry
from flowtrail._wrap import pika as traced
from flowtrail._wrap.amqp import Deliveries
from flowtrail._wrap.proxy import left_alone
from flowtrail._wrap.scope import Receiver
from flowtrail.instrumentor._base import FlowtrailInstrumentor, Patches, close

_Around = Callable[..., Any]


class PikaInstrumentor(FlowtrailInstrumentor):
    """Traces every channel, whatever its connection: blocking, select, asyncio, ..."""

    requires = ("pika >= 1.1, < 2",)
    system = traced.SYSTEM

    def _patch(self, patches: Patches) -> None:
        from pika.adapters.blocking_connection import BlockingChannel
        from pika.channel import Channel

        for kind in (BlockingChannel, Channel):
            patches.replace(kind, "basic_publish", self._publish(kind))
            patches.replace(kind, "basic_consume", self._handed_over(_basic_consume))
        patches.replace(BlockingChannel, "basic_get", self._handed_over(traced.basic_get))
        patches.replace(BlockingChannel, "consume", self._handed_over(traced.consume))
        patches.replace(BlockingChannel, "cancel", self.received(close))
        patches.replace(BlockingChannel, "close", self.received(close))
        patches.replace(Channel, "basic_get", self._handed_over(_basic_get))

    def _publish(self, kind: type[Any]) -> Callable[[Any], Any]:
        assert self.telemetry is not None  # it is made before anything is patched
        sender = traced.Sender(self.telemetry, traced.publishing_of(kind))

        def make(original: Any) -> Any:
            @wraps(original)
            def publish(channel: Any, /, *arguments: Any, **named: Any) -> Any:
                traced.leave_beneath_alone(channel)
                if self.telemetry is not sender.telemetry or left_alone(channel):
                    return original(channel, *arguments, **named)
                return sender.publish(original.__get__(channel), *arguments, **named)

            return publish

        return make

    def _handed_over(self, around: _Around) -> Callable[[Any], Any]:
        """How to replace a method that gets messages: `around` is called with the deliveries and the original."""

        def make(original: Any) -> Any:
            @wraps(original)
            def call(channel: Any, /, *arguments: Any, **named: Any) -> Any:
                traced.leave_beneath_alone(channel)
                receiver = self.receiver_of(channel)
                if receiver is None:
                    return original(channel, *arguments, **named)
                deliveries = getattr(channel, "_flowtrail_deliveries", None)
                if deliveries is None or deliveries.receiver is not receiver:
                    deliveries = channel._flowtrail_deliveries = Deliveries(receiver, None)
                return around(deliveries, original.__get__(channel), *arguments, **named)

            return call

        return make

    def _new_receiver(self, telemetry: Telemetry, consumer: Any) -> Receiver:
        return Receiver(telemetry, None, None)


def _basic_consume(deliveries: Deliveries, call: Any, /, *arguments: Any, **named: Any) -> Any:
    return traced.basic_consume(deliveries, None, call, *arguments, **named)


def _basic_get(deliveries: Deliveries, call: Any, /, *arguments: Any, **named: Any) -> Any:
    return traced.basic_get_later(deliveries, None, call, *arguments, **named)
