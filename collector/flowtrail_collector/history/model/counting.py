"""From counters as they stand to what was added within a minute.

Between two samples that follow each other the difference is known, and nothing else is: not over a gap, not when a
counter went back, not when the clock did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowtrail_collector.history.model.blocks import Name

__all__ = ["Added", "Standing", "added"]

Counts = Mapping[Name, int]
_LATE_MS = 180_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How counters stood when they were last looked at.

    Attributes:
        slot: The minute that had just ended, counted from the epoch.
        at_ms: When, in milliseconds since the epoch.
        counts: The counters of each kind; one that isn't there was at 0. A kind that couldn't be read isn't there.
        cut: The kinds that had more counters than are looked at: of those that aren't there nothing is known.
    """

    slot: int
    at_ms: int
    counts: Mapping[str, Counts] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Added:
    """What was added within a slot.

    Attributes:
        covered_ms: Between which samples, 0 if nothing is known.
        values: By name.
        whole: Whether every other name was added nothing to; otherwise nothing is known of them.
    """

    covered_ms: int
    values: Counts
    whole: bool


_NOTHING = Added(0, {}, whole=False)


def added(kind: str, before: Standing | None, now: Standing) -> Added:
    """What was added to the counters of a kind since they were looked at before."""
    if before is None or now.slot != before.slot + 1:
        return _NOTHING
    covered_ms = now.at_ms - before.at_ms
    old, new = before.counts.get(kind), now.counts.get(kind)
    if old is None or new is None or not 0 < covered_ms <= _LATE_MS:
        return _NOTHING
    was_cut = kind in before.cut
    differences = {name: count - old.get(name, count + 1 if was_cut else 0) for name, count in new.items()}
    known = {name: value for name, value in differences.items() if value >= 0}
    if len(known) < len(differences) or kind in before.cut | now.cut or not old.keys() <= new.keys():
        return Added(covered_ms, known, whole=False)
    return Added(covered_ms, {name: value for name, value in known.items() if value}, whole=True)
