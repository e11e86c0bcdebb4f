"""The same client as other versions of it would be, which have other private parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pika
import pytest
from pika.adapters.base_connection import BaseConnection

CLIENTS = ("as it is", "without private parts", "which calls others")


def change_client(kind: str, patch: pytest.MonkeyPatch) -> None:
    """Make of pika, for this process, what `CLIENTS` names."""
    if kind == "without private parts":
        patch.setattr(pika, "BlockingConnection", _without_private_parts())
    elif kind == "which calls others":
        received: Callable[[Any, bytes], None] = pika.connection.Connection._on_data_available
        patch.setattr(BaseConnection, "_proto_data_received", received)


def _without_private_parts() -> type[Any]:
    class Public(pika.BlockingConnection):  # type: ignore[misc]
        """Takes no class to put beneath it."""

        def __init__(self, parameters: Any = None) -> None:
            super().__init__(parameters)

    return Public
