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
        lately: Those reactions, counted.
    """

    per_second: float
    lately: Edge


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
        self._samples: deque[tuple[float, Mapping[EdgeKey, Edge]]] = deque()

    def run(self, stop: threading.Event) -> None:
        """Sample until `stop` is set."""
        while not stop.is_set():
            self.sample()
            stop.wait(_PAUSE_SECONDS)

    def sample(self) -> None:
        """Note the counters of this moment."""
        now = self._clock()
        # One older than the window is kept: it is where the window begins.
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW_SECONDS:
            self._samples.popleft()
        self._samples.append((now, self._edges()))

    def rates(self) -> dict[EdgeKey, EdgeRate]:
        """By edge; empty until two samples have been taken."""
        samples = list(self._samples)
        if len(samples) < 2:
            return {}
        (start, before), (end, after) = samples[0], samples[-1]
        seconds = max(end - start, 1e-9)
        found = {}
        for key, edge in after.items():
            new = _since(before.get(key) or Edge(), edge)
            found[key] = EdgeRate(new.events / seconds, new)
        return found


def _since(before: Edge, after: Edge) -> Edge:
    """What was counted between two moments."""
    return Edge(
        max(0, after.events - before.events),
        max(0.0, after.latency_seconds - before.latency_seconds),
        [max(0, new - old) for new, old in zip(after.buckets, before.buckets, strict=True)],
        after.last_ms,
    )
