"""How busy each edge is at present: the counters of the store say what was, not what is."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowtrail_collector.topology.model import Edge, EdgeKey

_WINDOW_SECONDS = 60.0
_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class EdgeRate:
    """What went over an edge lately.

    Attributes:
        per_second: Reactions a second.
        mean_seconds: Their mean latency; None if there was none.
    """

    per_second: float
    mean_seconds: float | None


class EdgeRates:
    """A `Part` named `edge rates`: compares the edges' counters with those of a minute ago.

    Args:
        edges: The counters.
        clock: Monotonic, seconds.
    """

    name = "edge rates"
    problem: str | None = None

    def __init__(
        self, edges: Callable[[], Mapping[EdgeKey, Edge]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._edges = edges
        self._clock = clock
        self._samples: deque[tuple[float, dict[EdgeKey, tuple[int, float]]]] = deque()

    def run(self, stop: threading.Event) -> None:
        """Sample until `stop` is set."""
        while not stop.is_set():
            self.sample()
            stop.wait(_PAUSE_SECONDS)

    def sample(self) -> None:
        """Note the counters of this moment."""
        now = self._clock()
        counters = {key: (edge.events, edge.latency_seconds) for key, edge in self._edges().items()}
        # One older than the window is kept: it is where the window begins.
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW_SECONDS:
            self._samples.popleft()
        self._samples.append((now, counters))

    def rates(self) -> dict[EdgeKey, EdgeRate]:
        """By edge; empty until two samples have been taken."""
        samples = list(self._samples)
        if len(samples) < 2:
            return {}
        (start, before), (end, after) = samples[0], samples[-1]
        seconds = max(end - start, 1e-9)
        found = {}
        for key, (events, latency) in after.items():
            events_before, latency_before = before.get(key, (0, 0.0))
            new = max(0, events - events_before)
            mean = max(0.0, latency - latency_before) / new if new else None
            found[key] = EdgeRate(new / seconds, mean)
        return found
