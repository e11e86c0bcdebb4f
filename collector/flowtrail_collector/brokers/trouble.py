"""What keeps a part that follows a broker from working."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["Trouble"]

logger = logging.getLogger("flowtrail_collector")


class Trouble:
    """Notes what is wrong; the log gets one line when it begins and one when it ends.

    Args:
        problem: What is wrong before anything was tried, None for nothing.
        works: What the log says once all is well.

    Attributes:
        problem: What is wrong at present, None when all is well.
    """

    def __init__(self, problem: str | None, works: Callable[[], str]) -> None:
        self.problem = problem
        self._works = works
        self._troubled: bool | None = None  # not known yet

    def note(self, problem: str | None) -> None:
        """Take in what is wrong now, None when all is well."""
        troubled, self.problem = self._troubled, problem
        self._troubled = problem is not None
        if problem is None and troubled is not False:
            logger.info("%s", self._works())
        elif problem is not None and not troubled:
            logger.warning("%s; retrying", problem)
