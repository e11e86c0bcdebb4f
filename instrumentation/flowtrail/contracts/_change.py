"""What a comparison of two contracts finds, in whatever format they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

BACKWARD: Final = "backward"
"""Readers of the new contract can't read data of the old one."""
FORWARD: Final = "forward"
"""Readers of the old contract can't read data of the new one."""
BOTH: Final = frozenset({BACKWARD, FORWARD})
REMOVE_AFTER: Final = "x-remove-after"


@dataclass(frozen=True, slots=True)
class Change:
    """A change that needs a new version.

    Attributes:
        field: Path with dots; list elements as `[]`, a map's values as `{}`; `(root)` for the whole.
        rule: Name of the rule it breaks, e.g. `new-field-needs-default`, or `changed: KEYWORD`.
        detail: What changed, in words.
        breaks: Who can't read whom: `backward`, `forward`, both; nobody, where only a custom is broken, such
            as removing nothing that isn't deprecated.
    """

    field: str
    rule: str
    detail: str
    breaks: frozenset[str] = dataclasses.field(default_factory=lambda: BOTH, compare=False)


def told_once(changes: Iterable[Change]) -> list[Change]:
    """Each change once, with all whom it breaks: it may be met on several ways, and each knows of its own."""
    found: dict[Change, frozenset[str]] = {}
    for change in changes:
        found[change] = found.get(change, frozenset()) | change.breaks
    return [dataclasses.replace(change, breaks=breaks) for change, breaks in found.items()]


def too_early(after: object, field: str, today: date | None) -> list[Change]:
    """That something deprecated is removed before its period is over, if it is.

    Args:
        after: The day until which it has to stay, as the contract says it; anything but text says nothing.
        field: What is removed.
        today: Without it the day is taken as passed.
    """
    if isinstance(after, str) and today is not None and not _passed(after, today):
        return [
            Change(field, "deprecation-period-not-over", f"{REMOVE_AFTER} is {short(after)}", frozenset())
        ]
    return []


def _passed(day: str, today: date) -> bool:
    try:
        return date.fromisoformat(day) < today
    except ValueError:
        return False


def short(value: object) -> str:
    """A value of a contract, for a line."""
    text = "absent" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
