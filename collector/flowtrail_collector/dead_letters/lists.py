"""What lists of dead letters need of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from flowtrail_collector.dead_letters.model.cause import CauseRow
from flowtrail_collector.dead_letters.model.letter import DeadLetter, LetterKey, Selection

__all__ = ["DeadLetterLists"]


class DeadLetterLists(Protocol):
    """What lists of dead letters are made of."""

    def list_dead_letters(
        self,
        selection: Selection,
        limit: int,
        offset: int = 0,
        *,
        after: LetterKey | None = None,
        before: LetterKey | None = None,
    ) -> list[DeadLetter]:
        """Dead letters, the newest first, at most `limit` after the first `offset`, or next to one of them.

        Args:
            selection: Which.
            limit: How many at most.
            offset: Skip so many; not together with the others.
            after: Those behind this one.
            before: The last ones before this one.
        """
        ...

    def count_pending(self) -> int:
        """How many dead letters are pending; of very many, how many there were some seconds ago."""
        ...

    def known_flows(self) -> Mapping[str, tuple[str, ...] | None]:
        """The flows there are; none without a flow file."""
        ...

    def letter_values(self) -> Mapping[str, Sequence[str]]:
        """What there is to choose from, by the name of a filter: `topic`, `source`, `group`, `error`.

        One of which there are too many for a list isn't there.
        """
        ...

    def list_causes(self, selection: Selection, now_ms: int, limit: int) -> list[CauseRow]:
        """What dead letters died of, the cause of the newest one first."""
        ...
