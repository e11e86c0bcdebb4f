"""What fails at present: one log line when it begins, one when it ends, and counts for the metrics."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from flowtrail_collector.lag.ports import Failure
from flowtrail_collector.wording import unmistakable

__all__ = ["FailureLog"]

logger = logging.getLogger("flowtrail_collector.lag")
_SCOPES = ("cluster", "broker", "topic", "group")
_MAX_LINES = 20


class FailureLog:
    """Remembers failures from one collection to the next."""

    def __init__(self) -> None:
        self._failing: dict[tuple[str, str], Failure] = {}
        self.totals: dict[str, int] = dict.fromkeys(_SCOPES, 0)

    @property
    def failing(self) -> dict[str, int]:
        """How many things fail at present, by scope."""
        counts: dict[str, int] = dict.fromkeys(_SCOPES, 0)
        for failure in self._failing.values():
            counts[failure.scope] += 1
        return counts

    @property
    def present(self) -> list[Failure]:
        """What fails at present."""
        return list(self._failing.values())

    def update(self, failures: Iterable[Failure]) -> None:
        """Take in what failed in one collection; what isn't among it works again."""
        now: dict[tuple[str, str], Failure] = {}
        for failure in failures:
            now.setdefault((failure.scope, failure.name), failure)
        began = [failure for key, failure in now.items() if key not in self._failing]
        for failure in now.values():
            self.totals[failure.scope] += 1
        # A cluster that goes away takes thousands of groups along: a line for each would help nobody.
        for failure in began[:_MAX_LINES]:
            logger.warning("lag of %s %s: %s", failure.scope, unmistakable(failure.name), failure.reason)
        if len(began) > _MAX_LINES:
            logger.warning("lag: %d more reads fail", len(began) - _MAX_LINES)
        ended = self._failing.keys() - now.keys()
        for scope, name in sorted(ended)[:_MAX_LINES]:
            logger.info("lag of %s %s can be read again", scope, unmistakable(name))
        self._failing = now
