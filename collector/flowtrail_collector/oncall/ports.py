"""What the page for people on call asks of the slices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from flowtrail_collector.dead_letters.model.cause import CauseLately
from flowtrail_collector.events.topics import TopicRead
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.view import Unread
from flowtrail_collector.oncall.troubles import Trouble
from flowtrail_collector.sagas.model.causes import StuckCause
from flowtrail_collector.sagas.ports import EndedLately

__all__ = ["Groups", "Keeper", "Lately"]


class Groups(Protocol):
    """Figures of the last collection of lag."""

    @property
    def collected_at(self) -> float | None:
        """When they were collected, seconds since the epoch; None before the first time."""
        ...

    @property
    def readings(self) -> list[GroupReading]:
        """All groups' readings."""
        ...

    def overview(self, name: str | None = None, limit: int | None = None) -> dict[str, Any]:
        """As the API answers it, with what could not be read."""
        ...

    def unread(self) -> Mapping[str, Unread]:
        """How many groups can't be read at present, by broker."""
        ...


class Lately(Protocol):
    """What the store knows."""

    def stuck_causes(self) -> list[StuckCause]:
        """Why instances are stuck, the cause of the one that was last to be so first."""
        ...

    def ended_lately(self, now_ms: int, span_ms: int) -> list[EndedLately]:
        """How many ended otherwise than well, by flow and outcome, of those of which any did within the span."""
        ...

    def waited_for(self) -> Mapping[str, int]:
        """How many open instances wait for each group; may be some seconds old."""
        ...

    def causes_lately(self, now_ms: int, span_ms: int, limit: int) -> list[CauseLately]:
        """Causes of which more dead letters arrived within a span than within the one before, the most frequent first."""
        ...

    def known_flows(self) -> Mapping[str, tuple[str, ...] | None]:
        """The flows there are."""
        ...

    def topics_read(self) -> Sequence[TopicRead]:
        """What was read of each topic."""
        ...


class Keeper(Protocol):
    """Keeps what is wrong for the next start."""

    def troubles(self, since_ms: int) -> Sequence[Trouble]:
        """What was kept last, unless that was before a moment, ms since the epoch.

        Raises:
            StoreError: The store can't be asked.
        """
        ...

    def keep(self, troubles: Iterable[Trouble], now_ms: int) -> None:
        """Keep these in place of what was kept before.

        Raises:
            StoreError: Nothing was changed.
        """
        ...
