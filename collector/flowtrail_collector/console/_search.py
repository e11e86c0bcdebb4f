"""What is found for the beginning of an id, and for one that nothing is known of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowtrail_collector.sagas.ports import SagaLists, SagaName
from flowtrail_collector.units import iso_time_ms

__all__ = ["MOST_NAMES", "leads_to", "listed", "near"]

MOST_NAMES = 50
_MOST_NEAR = 8
# Fewer characters are the beginning of too many ids to be a slip of anybody's fingers.
_LEAST_CHARACTERS = 3
_MOST_CUT = 4


def leads_to(wanted: str, names: Sequence[SagaName]) -> str | None:
    """The one id that is meant; None where there are several to choose from.

    Args:
        wanted: What was typed.
        names: The instances whose id begins so.
    """
    ids = {name.id for name in names}
    if not ids or wanted in ids or any(wanted == name.key for name in names):
        return wanted
    return ids.pop() if len(ids) == 1 else None


def near(wanted: str, views: SagaLists) -> list[SagaName]:
    """Instances whose ids begin as most of an unknown one does."""
    for cut in range(_MOST_CUT + 1):
        part = wanted[: len(wanted) - cut]
        if len(part) < _LEAST_CHARACTERS:
            return []
        if found := views.begins_with(part, _MOST_NEAR):
            return found
    return []


def listed(names: Sequence[SagaName]) -> list[dict[str, Any]]:
    """Instances as the page lists them; an id with several flows has a row for each."""
    return [{**name._asdict(), "started": iso_time_ms(name.started_ms)} for name in names]
