"""Which partitions wait for others: none is read far ahead of one that has a backlog.

A broker's answer needn't hold some of every partition: not where there are many, where their batches are larger than what
may come of one (then it holds one batch of the first), or where a user's `fetch.max.bytes` is small. librdkafka asks for
them in the same order each time after its queue was full. So the last ones would be read when the others are at
their end, and no instance would be settled until then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flowtrail_collector.brokers.kafka.tail.positions import Place

__all__ = ["Pacing"]

# Behind the last record there may be markers of transactions, which nobody is given.
_NEAR = 10
# A partition of which nothing comes for so long, although others wait for it, has nothing to give: a transaction is open,
# or it has no leader.
_PATIENCE_SECONDS = 2.0


class Pacing:
    """Looks at positions again and again.

    Args:
        most: By how many records a partition may be ahead of the slowest that has more to read.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._at: dict[Place, int] = {}
        self._ahead: dict[Place, int] = {}
        self._silent: set[Place] = set()
        self._moved_seconds = 0.0

    def look(
        self, at: Mapping[Place, int], ends: Mapping[Place, int], held: Collection[Place], now_seconds: float
    ) -> set[Place]:
        """Look once.

        Args:
            at: The next offset of each partition that is being read.
            ends: Where each of them ends, as far as is known.
            held: Those that wait for others at present.
            now_seconds: A clock that never goes back.

        Returns:
            Those that should wait until the next look.
        """
        moves = {place: max(0, offset - self._at.get(place, offset)) for place, offset in at.items()}
        self._at = dict(at)
        self._silent = {place for place in self._silent if moves.get(place) == 0}
        behind = {place for place, end in ends.items() if end - at[place] > _NEAR} - self._silent
        if not held or any(moves.values()):
            self._moved_seconds = now_seconds
        elif now_seconds - self._moved_seconds >= _PATIENCE_SECONDS:
            self._silent |= behind.difference(held)
            behind &= set(held)
        # One that has nothing left, or is new, is as far as the slowest.
        ahead = {place: self._ahead.get(place, 0) + moves[place] for place in behind}
        least = min(ahead.values(), default=0)
        self._ahead = {place: count - least for place, count in ahead.items()}
        # Released only when half of it is made good: what had come of one that has to wait is read again.
        return {
            place
            for place, count in self._ahead.items()
            if count >= (self._most // 2 if place in held else self._most)
        }
