"""Sends what a coroutine publishes where sending has to wait: for a connection, metadata, room."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from flowtrail import _fork
from flowtrail.clients import Message, OnDelivery

Send = Callable[[Message, OnDelivery], None]


class Handover:
    """Messages in line for a thread that may wait in their publisher's place; in order for each topic.

    Each topic has its own line and thread, so that one whose metadata doesn't come holds up no other. A thread
    ends with its line: usually there is none.

    Args:
        send: Sends a message, waiting for as long as it takes; never raises.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lines: dict[str, deque[tuple[Message, OnDelivery]]] = {}
        self._changed = threading.Condition(threading.Lock())
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        self._lines = {}
        self._changed = threading.Condition(threading.Lock())

    def has(self, topic: str) -> bool:
        """Whether there is a line for this topic: what comes later belongs at its end."""
        return topic in self._lines

    def put(self, message: Message, on_delivery: OnDelivery) -> None:
        """Add a message to its topic's line."""
        with self._changed:
            line = self._lines.get(message.topic)
            if line is not None:
                line.append((message, on_delivery))
                return
            line = self._lines[message.topic] = deque([(message, on_delivery)])
        name = f"flowtrail-send-{message.topic}"
        threading.Thread(target=self._drain, args=(message.topic, line), name=name, daemon=True).start()

    def _drain(self, topic: str, line: deque[tuple[Message, OnDelivery]]) -> None:
        while True:
            self._send(*line[0])
            with self._changed:
                line.popleft()
                if not line:
                    del self._lines[topic]
                    self._changed.notify_all()
                    return

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until there is no line; False if it took longer."""
        if not self._lines:
            return True
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines, timeout_seconds)
