"""A connection of pika's that reads whatever headers a message has."""

from __future__ import annotations

import inspect
from typing import Any

from flowtrail.wire.amqp_pika import can_read_all, reading_all


def reading(pika: Any) -> dict[str, Any]:
    """Arguments with which `BlockingConnection` opens such a connection; none with a pika that has no room for it.

    Only what is opened with them reads so: channels of others stay as they are.
    """
    has_room = "_impl_class" in inspect.signature(pika.BlockingConnection).parameters
    return (
        {"_impl_class": reading_all(pika.SelectConnection)}
        if has_room and can_read_all(pika.SelectConnection)
        else {}
    )
