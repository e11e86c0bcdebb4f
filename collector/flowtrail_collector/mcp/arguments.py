"""What the tools take; whatever doesn't fit is refused in one line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flowtrail_collector.mcp.data import one_line

__all__ = [
    "ById",
    "GroupLag",
    "LetterFilters",
    "ListCauses",
    "ListChanges",
    "ListLetters",
    "ListStuck",
    "ListStuckCauses",
    "Nothing",
    "PlanRedrive",
    "StartRedrive",
    "fault",
]  # fmt: skip

_Id = Annotated[str, Field(min_length=1, max_length=512)]


class Arguments(BaseModel):
    """No argument that isn't known: a filter that is misspelt and ignored would select everything."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Nothing(Arguments):
    """Takes nothing."""


class ById(Arguments):
    """One order or flow."""

    id: _Id
    """An order id (any business key that events carry as their subject), event id, correlation id or trace id."""


class ListStuck(Arguments):
    """Which stuck instances."""

    flow: _Id | None = None
    """Only of this flow."""
    limit: int = Field(default=10, ge=1, le=50)
    """Maximum number to show."""


class ListStuckCauses(ListStuck):
    """Which causes of stuck instances."""

    step: _Id | None = None
    """Only at this step."""


class ListChanges(Arguments):
    """How many changes."""

    limit: int = Field(default=10, ge=1, le=50)
    """Maximum number to show."""


class GroupLag(Arguments):
    """Which groups."""

    group: _Id | None = None
    """Only this one."""
    limit: int = Field(default=10, ge=1, le=50)
    """Maximum number to show."""


class LetterFilters(Arguments):
    """Which dead letters."""

    id: _Id | None = None
    """Only of this event, flow or order."""
    group: _Id | None = None
    """Only those this consumer group gave up."""
    error: _Id | None = None
    """Only this error type, exactly."""
    cause: _Id | None = None
    """Only those of this cause, as `dead_letter_causes` names it."""
    topic: _Id | None = None
    """Only in this dead letter topic."""
    source: _Id | None = None
    """Only those that came from this topic."""
    flow: _Id | None = None
    """Only of this flow."""
    since: _Id | None = None
    """Only those that arrived since: 2h (two hours ago), or 2026-01-31T12:00:00Z."""
    until: _Id | None = None
    """Only those that arrived before: same format."""

    def filters(self) -> dict[str, Any]:
        """Those that are set, by the API's names."""
        return self.model_dump(include=set(LetterFilters.model_fields), exclude_none=True)


class ListLetters(LetterFilters):
    """Which dead letters to list."""

    state: Literal["pending", "redriven", "quarantined", "dismissed"] | None = "pending"
    limit: int = Field(default=10, ge=1, le=50)
    """Maximum number to show."""


class ListCauses(LetterFilters):
    """Whose causes to list."""

    limit: int = Field(default=10, ge=1, le=50)
    """Maximum number to show."""


class PlanRedrive(LetterFilters):
    """What would be sent back; at least one filter."""

    to: _Id | None = None
    """Topic to send them to instead of their own."""


class StartRedrive(PlanRedrive):
    """What is sent back, for whom, and how many that were when it was planned."""

    expected_total: int = Field(ge=1)
    """The `total` of `plan_redrive` with the same filters; the redrive is refused if more match by now."""
    as_of: int | None = Field(default=None, ge=0)
    """The `as_of` of the same plan: what arrived since isn't sent. Without it, arrivals count as more that match."""
    asked_by: Annotated[str, Field(min_length=1, max_length=40)]
    """The person who asked for it, for the audit. Ask them if you don't know."""


def fault(error: ValidationError) -> str:
    """What is wrong with arguments, in one line."""
    faults = [
        f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in error.errors()[:5]
    ]
    return one_line("; ".join(faults))
