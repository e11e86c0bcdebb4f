"""What a confluent-kafka client was made with, as far as its objects of C show it."""

from __future__ import annotations

import ctypes
import gc
from functools import cache
from typing import Any

from flowtrail.errors import ConfigurationError

_GROUP_MAGIC = (b"CGMDv2:", b"CGMDv1:")
_GENERATION_BYTES = 4


def delivery_callback_of(producer: Any) -> Any:
    """The `on_delivery` of a producer's configuration, which one per message replaces.

    The object has no attribute for it, but tells the garbage collector of all its callbacks. Which of them it
    is follows from its place in the object, known from a producer that was made with just that one.

    Returns:
        The callable; None if there is none.

    Raises:
        ConfigurationError: There are callbacks, and nothing that tells which is which.
    """
    callbacks = _callbacks_of(producer)
    if not callbacks:
        return None
    place = _place_of_callback()
    if place is None:
        raise ConfigurationError(
            f"this version of confluent-kafka doesn't show which callback of this {type(producer).__name__} is its "
            "on_delivery: create the producer without it, and pass on_delivery to each produce()"
        )
    address = ctypes.c_size_t.from_address(id(producer) + place).value
    return next((callback for callback in callbacks if id(callback) == address), None)


def _callbacks_of(producer: Any) -> list[Any]:
    """Callables that the object itself holds, without its class and what its Python attributes hold."""
    held = gc.get_referents(producer)
    for place in range(len(held) - 1, -1, -1):
        if held[place] is type(producer):  # what a subclass adds stands before it
            held = held[place + 1 :]
            break
    return [thing for thing in held if callable(thing)]


@cache
def _place_of_callback() -> int | None:
    """Where a producer keeps its `on_delivery`: bytes from the start of the object; None if unknown."""
    from confluent_kafka.cimpl import Producer

    def marker(_error: Any, _message: Any) -> None:
        pass

    probe = Producer({"on_delivery": marker, "log_level": 0})
    word = ctypes.sizeof(ctypes.c_size_t)
    for place in range(0, Producer.__basicsize__ - word + 1, word):
        if ctypes.c_size_t.from_address(id(probe) + place).value == id(marker):
            return place
    return None


def group_of(consumer: Any) -> str | None:
    """The consumer's group: librdkafka writes it into the metadata for transactions; None if unknown."""
    try:
        written: bytes = consumer.consumer_group_metadata()
        magic = next(magic for magic in _GROUP_MAGIC if written.startswith(magic))
        start = len(magic) + (_GENERATION_BYTES if magic == _GROUP_MAGIC[0] else 0)
        name, end, _ = written[start:].partition(b"\0")
        return name.decode() if name and (end or magic != _GROUP_MAGIC[0]) else None
    except Exception:  # noqa: BLE001 - no group, a closed consumer, another client's version: it is unknown
        return None
