"""A connection of pika's that reads messages whose timestamps pika itself can't decode."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from flowtrail.clients._tables import mended

_AROUND = 8  # bytes of a frame beside its payload
_CONTENT_HEADER = 2


@cache
def reading(pika: Any) -> dict[str, Any]:
    """Arguments with which `BlockingConnection` opens such a connection; none with a pika that has no room for it."""
    base: Any = pika.SelectConnection
    if "_impl_class" not in inspect.signature(pika.BlockingConnection).parameters or not hasattr(
        base, "_read_frame"
    ):
        return {}

    class Connection(base):  # type: ignore[misc]
        """Only what is opened with it reads so: channels of others stay as they are."""

        def _read_frame(self: Any) -> Any:
            unread = self._frame_buffer
            if len(unread) >= _AROUND and unread[0] == _CONTENT_HEADER:
                end = _AROUND + int.from_bytes(unread[3:7], "big")
                if end <= len(unread):
                    frame = unread[:end]
                    readable = mended(frame, table_only=True)
                    if readable is not frame:
                        self._frame_buffer = readable + unread[end:]
            return super()._read_frame()

    return {"_impl_class": Connection}
