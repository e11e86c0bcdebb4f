"""How a consumer group is, for those who wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class GroupProgress(NamedTuple):
    """How a consumer group is; None where something isn't known.

    Attributes:
        lag: Records that it has not read.
        seconds: For how long the oldest of them has waited.
        members: Who is in it.
        status: Name of its lag status: `ok`, `behind`, `stalled`, `stopped`, ...
        queue: The queue that it says this of, where the group reads queues.
        age_seconds: How old that is, where nothing newer can be read; None where it is of now.
    """

    lag: int | None = None
    seconds: float | None = None
    members: int | None = None
    status: str | None = None
    queue: str | None = None
    age_seconds: float | None = None


GroupProgressOf = Callable[[str], GroupProgress | None]
"""How a consumer group is; None if there is no such group."""
