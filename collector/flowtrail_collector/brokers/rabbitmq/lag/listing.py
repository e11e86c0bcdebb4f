"""The list of queues with all that is told of them, which takes a server with thousands of them seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flowtrail_collector.brokers.question import Question
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.settings import RabbitConfig

__all__ = ["Listed", "Listing"]

_QUICK_SECONDS = 0.5
# So many times as long as an answer took, the server repeats it (management.db_cache_multiplier): asked more often, it
# says nothing else.
_REPEATED = 5


class Listed(NamedTuple):
    """What is known of the queues.

    Attributes:
        found: As the server told them, all at one moment; without those that aren't there any more.
        is_new: Whether that was told since the last time; else it is the same list again.
        totals: How many messages are ready and how many unacknowledged just now, by queue; None if the list itself is
            of now.
    """

    found: Sequence[Mapping[str, Any]]
    is_new: bool
    totals: Mapping[str, tuple[int, int] | None] | None


class Listing:
    """Tells the list at once where the server is quick.

    Where it isn't, the list is asked for beside the looks, and each look has the totals of the queues in it.

    Args:
        config: Which virtual host.
        management: Asked during a look.
        clock: Seconds.
    """

    def __init__(
        self, config: RabbitConfig, management: Management, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._management = management
        self._beside = Management(config)  # one thread at a time
        self._clock = clock
        self._question: Question[Sequence[Mapping[str, Any]]] = Question("flowtrail-queue-list")
        self._known: Sequence[Mapping[str, Any]] | None = None
        self._took = self._next = 0.0

    def look(self) -> Listed:
        """What is known now.

        Raises:
            ServiceUnreachableError: The management API doesn't answer; the next look waits for it.
        """
        is_slow = self._known is not None and self._took > _QUICK_SECONDS
        found = self._list(0.0 if is_slow else None)
        if found is not None and self._took <= _QUICK_SECONDS:
            return Listed(found, True, None)
        totals = self._management.totals()
        known = self._known or ()
        return Listed([each for each in known if each["name"] in totals], found is not None, totals)

    def close(self) -> None:
        """Let go of the connection."""
        self._beside.close()

    def _list(self, patience: float | None) -> Sequence[Mapping[str, Any]] | None:
        """The list if it is told within this time, and if the server would tell another one."""
        if patience is not None and not self._question.is_open and self._clock() < self._next:
            return None
        known, self._known = self._known, None
        found = self._question.answer(self._ask, patience)
        self._known = known if found is None else found
        return found

    def _ask(self) -> Sequence[Mapping[str, Any]]:
        began = self._clock()
        found = self._beside.queues()
        ended = self._clock()
        self._took = ended - began
        self._next = ended + _REPEATED * self._took
        return found
