"""What the tools answer about what goes wrong: by cause, and lately."""

from __future__ import annotations

from pydantic import computed_field

from flowtrail_collector.mcp.results import Error, Letter, Many, Model, Name, Result, Text
from flowtrail_collector.mcp.sentences import Sentence, of_change, of_reason

__all__ = ["Cause", "Causes", "Change", "Changes", "StuckCause", "StuckCauses"]


class Cause(Model):
    """Dead letters of one cause: what they have in common, how many there are, and the newest of them."""

    cause: Name | None
    """Its fingerprint: `cause` narrows lists, plans and redrives to it."""
    group: Name | None
    event_type: Name | None
    error_type: Name | None
    message: Text | None
    count: int
    first: Name | None
    last: Name | None
    last_hour: int
    hour_before: int
    trend: Name
    example: Letter


class Causes(Result):
    """Dead letters by cause, most recent first."""

    causes: Many[Cause]


class Example(Model):
    """One of several instances."""

    key: Name
    correlation_id: Name | None
    started: Name | None


class StuckCause(Model):
    """Instances that are stuck for one cause: why, how many there are, and the last of them."""

    cause: Name
    """Its fingerprint."""
    state: Name
    """late: open and past a deadline; timed_out: ended by the flow's own time within the last day."""
    flow: Name
    step: Name | None
    by: Name | None
    """The consumer group that should do the step."""
    waits_for: Name
    """What they wait for there: done, asked, cancelled, children, undone or nothing."""
    reason: Name
    """dead_letter, stopped, stalled, behind, silent or unknown."""
    error: Error | None = None
    """Of the dead letters that hold them up, what all of them have in common."""
    dead_letter_cause: Name | None
    """With `flow`, it narrows plan_redrive to the dead letters that hold them up."""
    count: int
    first: Name | None
    last: Name | None
    last_hour: int
    hour_before: int
    trend: Name
    example: Example

    @computed_field  # type: ignore[prop-decorator]
    @property
    def means(self) -> Sentence:
        """What the reason means."""
        return of_reason(self.reason)


class StuckCauses(Result):
    """Why instances are stuck, the cause of the one that was last to be so first."""

    causes: Many[StuckCause]


class Change(Model):
    """Something that went wrong lately."""

    kind: Name
    about: dict[Name, Text]
    """What it concerns, such as `group`, `flow`, `step`, `error_type`; `said` is what a broker or a part reports."""
    touched: int
    """How many orders, or messages, it touches."""
    of: Name
    since: Name | None
    ended: Name | None = None
    """When it was over; null while it goes on."""
    trail: Name | None
    """An id for find_trail or why_stuck."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def means(self) -> Sentence:
        """What this kind of change means."""
        return of_change(self.kind)


class PartCondition(Model):
    """How a part of the collector is."""

    state: Name
    """starting, running or failing."""


class Changes(Result):
    """What went wrong within the last 30 minutes, what affects the most orders first."""

    changes: Many[Change]
    left_out: int
    starting: dict[Name, PartCondition]
    """Parts of the collector that are starting: what they would tell isn't known yet."""
