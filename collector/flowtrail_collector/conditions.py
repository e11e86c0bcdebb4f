"""How a part of the collector is, in the same words wherever it is told: starting, running or failing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

__all__ = [
    "Condition", "PartState", "Remark", "Starting", "condition_words", "conditions_json", "remarks", "unready",
]  # fmt: skip


class PartState(StrEnum):
    """What a part does."""

    STARTING = "starting"
    """It is about to begin: nothing has failed."""
    RUNNING = "running"
    FAILING = "failing"


class Starting(str):
    """What a part that is about to begin says in place of a problem: what it hasn't done yet, in one line."""

    __slots__ = ()


class Remark(str):
    """What a part that runs says in place of a problem: what its user may have meant otherwise, in one line."""

    __slots__ = ()


class Condition(NamedTuple):
    """How a part is.

    Attributes:
        state: What it does.
        reason: What it hasn't done yet, why it fails, or what is to be known although it runs, in one line; None
            for nothing.
    """

    state: PartState
    reason: str | None = None

    @classmethod
    def of(cls, problem: str | None) -> Condition:
        """How a part is that has this to say of itself."""
        if problem is None or isinstance(problem, Remark):
            return cls(PartState.RUNNING, None if problem is None else str(problem))
        return cls(PartState.STARTING if isinstance(problem, Starting) else PartState.FAILING, str(problem))


def unready(conditions: Mapping[str, Condition]) -> dict[str, Condition]:
    """The parts that don't run; empty when all is well."""
    return {part: each for part, each in conditions.items() if each.state is not PartState.RUNNING}


def remarks(conditions: Mapping[str, Condition]) -> dict[str, Condition]:
    """The parts that run, and have something to say all the same."""
    return {
        part: each for part, each in conditions.items() if each.state is PartState.RUNNING and each.reason
    }


def condition_words(part: str, state: str, reason: str | None) -> str:
    """What people read of a part."""
    return f"{part} is {state}" + (f": {reason}" if reason else "")


def conditions_json(conditions: Mapping[str, Condition]) -> dict[str, dict[str, Any]]:
    """As the API answers it."""
    return {part: {"state": each.state.value, "reason": each.reason} for part, each in conditions.items()}
