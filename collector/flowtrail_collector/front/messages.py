"""What the two processes tell each other, and what the reading one knows of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowtrail_collector.conditions import Condition
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.ports import Failure
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.settings import CollectorConfig

__all__ = ["Ended", "Failed", "Lag", "Ready", "Refused", "Start", "State", "Told"]


@dataclass(frozen=True, slots=True)
class State:
    """How the writing process is: each of its parts, and its figures."""

    conditions: Mapping[str, Condition]
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lag:
    """A collection of lag; see `LagView.publish`."""

    readings: Sequence[GroupReading]
    at: float
    failures: Sequence[Failure]


@dataclass(frozen=True, slots=True)
class Start:
    """Begin: the first message.

    Attributes:
        config: The collector's settings, the secret of forms and sessions included.
        flows: What the flow file said when the collector began; it may say something else by now.
        socket_path: Where the writing process answers what the reading one doesn't.
        others: First parts of the paths that it answers there, e.g. `metrics`.
        log_level: What the log says, at least.
        state: How the writing process is at present.
        lag: What it collected last.
    """

    config: CollectorConfig
    flows: Flows
    socket_path: str
    others: frozenset[str]
    log_level: int
    state: State
    lag: Lag


class Ended:
    """Answer what has come in, then end."""


class Ready:
    """Requests are answered from now on."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It can't begin: one line that says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A part of the reading process failed; it is counted where the metrics are."""

    part: str


@dataclass(slots=True)
class Told:
    """What the reading process was told of the other one; replaced as a whole, so any thread may read.

    Attributes:
        lag: The lag that it collected last.
        state: How it is.
    """

    lag: LagView = field(default_factory=LagView)
    state: State = State({}, {})

    def take(self, message: State | Lag) -> None:
        """Note what came."""
        if isinstance(message, State):
            self.state = message
        else:
            if message.at == self.lag.collected_at:
                self.lag.fail(message.failures)
            else:
                self.lag.publish(message.readings, message.at, message.failures)
