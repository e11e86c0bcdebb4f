"""Which instances a list shows, and where one of its pages begins."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SagaFilter", "SagaPlace"]

SagaPlace = tuple[int, int, str, str]
"""Where an instance is in a list: 0 stuck, 1 open, 2 ended; when its newest event was, in ms; its flow and key."""


@dataclass(frozen=True, slots=True)
class SagaFilter:
    """Which sagas; None or False filters nothing.

    Attributes:
        flow: Name of the flow.
        outcome: One of `STATES`.
        step: A step that is open; of those without a start only if they are asked for.
        stuck: Only those past the deadline of a step.
        predicted: Only those that will probably miss a deadline.
        cause: Only those that are stuck for this cause, by its fingerprint (see `causes`).
        limit: Maximum number to show.
        offset: Skip so many; not together with the others.
        after: Those behind this place in the list.
        before: The last ones before this place.
    """

    flow: str | None = None
    outcome: str | None = None
    step: str | None = None
    stuck: bool = False
    predicted: bool = False
    cause: str | None = None
    limit: int = 50
    offset: int = 0
    after: SagaPlace | None = None
    before: SagaPlace | None = None
