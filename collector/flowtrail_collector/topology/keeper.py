"""Keeps the edges between services up to date, beside everything else."""

from __future__ import annotations

import threading
from typing import Protocol

_PAUSE_SECONDS = 1.0


class Learner(Protocol):
    """Looks through events for reactions."""

    def learn(self) -> int:
        """Look through the next events; 0 when there are none."""
        ...


class TopologyKeeper:
    """A `Part` named `topology`.

    Args:
        learner: Where events and edges are.
    """

    name = "topology"
    problem: str | None = None

    def __init__(self, learner: Learner) -> None:
        self._learner = learner

    def run(self, stop: threading.Event) -> None:
        """Learn until `stop` is set."""
        while not stop.is_set():
            if self._learner.learn() == 0:
                stop.wait(_PAUSE_SECONDS)
