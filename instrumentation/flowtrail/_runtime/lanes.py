"""Jobs that may wait for a broker, in order for each topic, away from whoever must not wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from flowtrail import _fork

Job = Callable[[], None]
"""Waits for as long as it takes; never raises."""


class Lanes:
    """A lane for each topic, with a thread of its own: one whose metadata doesn't come holds up no other.

    A thread ends with its lane: usually there is none. A forked child begins without lanes, as without threads.

    Args:
        name: What the threads' names begin with.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lanes: dict[str, deque[Job]] = {}
        self._changed = threading.Condition(threading.Lock())
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        self._lanes = {}
        self._changed = threading.Condition(threading.Lock())

    def has(self, topic: str) -> bool:
        """Whether there is a lane for this topic: what comes later belongs at its end."""
        return topic in self._lanes

    def put(self, topic: str, job: Job) -> None:
        """Add a job to its topic's lane."""
        with self._changed:
            lane = self._lanes.get(topic)
            if lane is not None:
                lane.append(job)
                return
            lane = self._lanes[topic] = deque([job])
        name = f"{self._name}-{topic}"
        threading.Thread(target=self._drain, args=(topic, lane), name=name, daemon=True).start()

    def _drain(self, topic: str, lane: deque[Job]) -> None:
        while True:
            lane[0]()
            with self._changed:
                lane.popleft()
                if not lane:
                    del self._lanes[topic]
                    self._changed.notify_all()
                    return

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until there is no lane; False if it took longer."""
        if not self._lanes:
            return True
        with self._changed:
            return self._changed.wait_for(lambda: not self._lanes, timeout_seconds)
