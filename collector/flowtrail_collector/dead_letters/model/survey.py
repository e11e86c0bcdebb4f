"""What a redrive would do, counted: by error, source topic, age and fate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

from flowtrail_collector.dead_letters.model.letter import PENDING, DeadLetter
from flowtrail_collector.dead_letters.model.redrive import Route, route

__all__ = ["AGES", "Group", "survey"]

AGES: tuple[tuple[str, int | None], ...] = (
    ("under 1 minute", 60_000),
    ("under 1 hour", 3_600_000),
    ("under 1 day", 86_400_000),
    ("under 7 days", 7 * 86_400_000),
    ("older", None),
)
"""Names of the age classes with their upper bounds in milliseconds."""

_MAX_ROWS = 20
_OTHER = "(other)"


class Group(NamedTuple):
    """So many dead letters that are alike in all that matters here; `age` is an index into `AGES`."""

    topic: str
    convention: str
    source_topic: str | None
    error_type: str | None
    replays: int
    age: int
    letters: int


def survey(
    groups: Sequence[Group],
    *,
    to: str | None,
    replay_limit: int,
    known: Container[str],
    state: str = PENDING,
    stopped: Mapping[tuple[str, str], int] | None = None,
    unmeasured: int = 0,
) -> dict[str, Any]:
    """Count groups of dead letters for people and machines.

    Args:
        groups: What would be redriven.
        to: See `route`; replay_limit, known and state likewise.
        stopped: Those among them that have a way to go and can't, by topic and reason.
        unmeasured: So many weren't looked at, though they may be stopped, too.

    Returns:
        `total`, `unmeasured`, and under `by_error`, `by_source_topic`, `by_age`, `by_target`, `refused` lists of
        `{"name", "count"}`, the most frequent first (ages: the youngest first).
    """
    errors, sources, targets, refused = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    ages = Counter[int]()
    for group in groups:
        letter = DeadLetter(
            group.topic, 0, 0, state=state, convention=group.convention, source_topic=group.source_topic,
            replays=group.replays,
        )  # fmt: skip
        fate = route(letter, to=to, replay_limit=replay_limit, known=known)
        if isinstance(fate, Route):
            targets[fate.topic] += group.letters
        else:
            refused[fate.value] += group.letters
        errors[group.error_type or "?"] += group.letters
        sources[group.source_topic or "?"] += group.letters
        ages[group.age] += group.letters
    for (topic, reason), count in (stopped or {}).items():
        targets[topic] -= count
        refused[reason] += count
    return {
        "total": sum(group.letters for group in groups),
        "unmeasured": unmeasured,
        "by_error": _rows(errors),
        "by_source_topic": _rows(sources),
        "by_age": [{"name": name, "count": ages[n]} for n, (name, _) in enumerate(AGES) if ages[n]],
        "by_target": _rows(+targets),
        "refused": _rows(refused),
    }


def _rows(counted: Counter[str]) -> list[dict[str, Any]]:
    frequent = counted.most_common(_MAX_ROWS)
    rest = counted.total() - sum(count for _, count in frequent)
    named = [*frequent, (_OTHER, rest)] if rest else frequent
    return [{"name": name, "count": count} for name, count in named]
