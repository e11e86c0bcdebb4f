"""What the tools answer about sending dead letters back."""

from __future__ import annotations

from pydantic import Field

from flowtrail_collector.mcp.results import Few, Model, Name, Result, Text
from flowtrail_collector.mcp.sentences import Sentence

__all__ = ["Plan", "Redrive", "Tally"]


class Tally(Model):
    """So many of something."""

    name: Text
    count: int


class Plan(Result):
    """What a redrive would do; nothing was done."""

    total: int
    as_of: int
    """Names what was counted; `redrive` takes it."""
    by_error: Few[Tally]
    by_target: Few[Tally]
    """Where they would go."""
    refused: Few[Tally]
    """How many would stay, and why."""
    next: Few[Sentence] = Field(default_factory=list)


class Redrive(Result):
    """A redrive that was started; the collector goes on with it by itself."""

    id: Name
    state: Name
    total: int
    redriven: int
    quarantined: int
    refused: int
    by: Text
    """Who asked, as the audit has it."""
