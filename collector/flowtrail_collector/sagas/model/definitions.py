"""What a flow file says of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from flowtrail_collector.events.model import EventRow
from flowtrail_collector.events.sources import FromField
from flowtrail_collector.sagas.model.fields import CountFrom, Field

__all__ = ["CHILD", "SETTLE_MS", "Children", "Correlate", "OwnerOf", "Step"]


SETTLE_MS = 1_000
"""How much clocks of brokers and producers may disagree before an end is taken as final."""


class Correlate(StrEnum):
    """What the events of one instance have in common."""

    CORRELATION = "correlation"
    """The correlation id."""
    SUBJECT = "subject"
    KEY = "key"
    """The record's key."""

    def of(self, event: EventRow) -> str | None:
        """What an event has in common with the others of its instance: the instance's key."""
        return self.reader(event)

    @property
    def reader(self) -> Callable[[EventRow], str | None]:
        """`of`, for those who ask it of many events: which member this is costs as much as the rest."""
        return _READERS[self]


def _key_of(event: EventRow) -> str | None:
    # Any bytes may be a key; this character parts it from an instance's number.
    return event.key and event.key.replace("\x1f", "\ufffd")


_READERS: dict[Correlate, Callable[[EventRow], str | None]] = {
    Correlate.CORRELATION: attrgetter("correlation_id"),
    Correlate.SUBJECT: attrgetter("subject"),
    Correlate.KEY: _key_of,
}


@dataclass(frozen=True, slots=True)
class Children:
    """The instances of another flow that a step waits for.

    Attributes:
        flow: Their flow.
        parent: What in their start names the instance that waits for them.
        all: All of them have to end well, not just one.
        depth: How many levels of children there are below the step, itself included.
    """

    flow: str
    parent: Field | Correlate
    all: bool = True
    depth: int = 1

    @property
    def parent_name(self) -> str:
        """What the parent's key is kept under with a child's start."""
        return self.parent.name if isinstance(self.parent, Field) else f"@{self.parent}"

    @property
    def begun(self) -> str:
        """What the parent is told when one of them starts."""
        return f"{self.flow} begun"

    @property
    def completed(self) -> str:
        """What the parent is told when one of them ended well."""
        return f"{self.flow} completed"

    @property
    def failed(self) -> str:
        """What the parent is told when one of them ended otherwise."""
        return f"{self.flow} failed"


CHILD = Field("child", FromField(()))
"""Under which name a parent is told which of its children it is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a flow. Every tuple of event types reads as "any of these".

    Attributes:
        name: As in the flow file.
        done: Types that say it was done.
        failed: Types that say it could not be done.
        undone: Types that take it back.
        by: The consumer group that should do it, None if the flow file doesn't say.
        within_ms: How long it may take once its turn has come, None for no limit.
        after: Steps that must be done before its turn comes; empty: its turn comes with the start. An optional
            one among them is passed as soon as its own turn comes.
        optional: A flow may end without it, and nobody waits for it.
        times: How many events of `done` it takes, or, where they have ids, how many ids; or which event says so.
        instead_of: The step that needn't be done if this one is, and the other way round.
        again_after: Types after which it, and what follows it, has its turn anew.
        of: The id by which what is done, and taken back, is told from others of this step.
        asks: Commands that ask for it; until one was sent nobody can do it.
        asked_by: The service or group that should send them, None if the flow file doesn't say.
        children: Whose ends say that it was done, or failed; then `done` and `failed` are what it is told of them.
        was: Names that it had in earlier flow files.
    """

    name: str
    done: tuple[str, ...]
    failed: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    by: str | None = None
    within_ms: int | None = None
    after: tuple[str, ...] = ()
    optional: bool = False
    times: int | CountFrom = 1
    instead_of: str | None = None
    again_after: tuple[str, ...] = ()
    of: Field | None = None
    children: Children | None = None
    was: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    asked_by: str | None = None

    @property
    def count(self) -> CountFrom | None:
        """Which event says how many it takes, where the flow file doesn't."""
        return self.times if isinstance(self.times, CountFrom) else None

    @property
    def asking(self) -> Step:
        """What has to be done first: that somebody asks for it."""
        return Step(self.name, self.asks, by=self.asked_by)

    @property
    def single(self) -> bool:
        """Whether one event of `done` is all it takes."""
        return self.times == 1 and self.children is None


OwnerOf = Callable[[Step], str | None]
"""The consumer group that should do a step; None if nobody can tell."""
