"""RabbitMQ's list of deaths, as JSON: the latest one comes first."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = ["is_delay_queue", "latest_death"]

_DELAYED = ".delay"


def is_delay_queue(name: object) -> bool:
    """Whether messages only wait in a queue, until they are due in another one: by its name, as the library's are."""
    return isinstance(name, str) and name.endswith(_DELAYED)


def latest_death(name: str, read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Reads a field of the latest death; None where there is none, or no list.

    Args:
        name: The field.
        read: How its value is read.
    """

    def find(value: bytes) -> Any:
        try:
            latest = json.loads(value)[0]
            return read(str(latest[name]).encode())
        except (ValueError, LookupError, TypeError):
            return None

    return find
