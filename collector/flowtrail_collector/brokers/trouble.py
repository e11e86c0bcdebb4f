"""What keeps a part that follows a broker from working."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flowtrail_collector.conditions import Remark

__all__ = ["Trouble"]

logger = logging.getLogger("flowtrail_collector")


class Trouble:
    """Notes what is wrong; the log gets one line when it begins and one when it ends.

    Args:
        problem: What is wrong before anything was tried, None for nothing.
        works: What the log says once all is well.

    Attributes:
        problem: What is wrong at present, None when all is well; a `Remark` if it works, and has nothing to do.
    """

    def __init__(self, problem: str | None, works: Callable[[], str]) -> None:
        self.problem = problem
        self._works = works
        self._told: object = None  # nothing yet

    def note(self, problem: str | None) -> None:
        """Take in what is wrong now, None when all is well."""
        # What is said of one trouble may differ each time.
        kind = type(problem)
        before, self._told, self.problem = self._told, kind, problem
        if kind is before:
            return
        if problem is None:
            logger.info("%s", self._works())
        else:
            logger.warning("%s" if kind is Remark else "%s; retrying", problem)
