"""From what was written for a member of an enumeration to the member."""

from __future__ import annotations

from enum import Enum
from typing import Any


def member_of(kind: type[Enum], data: Any) -> Any:
    """The member whose value this is, or else whose name; the data itself if there is none."""
    if isinstance(data, (kind, bool)):
        return data
    try:
        return kind(data)
    except (ValueError, TypeError, KeyError):  # which `_missing_` may raise
        return kind.__members__.get(data, data) if isinstance(data, str) else data
