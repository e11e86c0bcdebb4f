"""A queue as a log: how many messages ever came into it, and how many have left it. Pure.

The server tells how many are in a queue and how many were published to it, each as of a moment of its own and up to
one of its intervals ago. What is put together of both never goes back, and its difference is always what is in the
queue.
"""

from __future__ import annotations

__all__ = ["QueueCounts", "QueueDrops"]


class QueueCounts:
    """Counts of one queue.

    Attributes:
        end: How many messages came into it.
        gone: How many of those have left it: acknowledged, expired, dropped or moved on.
    """

    __slots__ = ("_published", "_reported", "end", "gone")

    def __init__(self) -> None:
        self.end = self.gone = 0
        self._published = self._reported = 0

    def observe(self, messages: int, published: int | None) -> None:
        """Take in what the server says.

        Args:
            messages: How many are in the queue: ready, or delivered and not acknowledged.
            published: How many were published to it since the server began to count; None if it doesn't tell.
        """
        if published is not None:
            # A server that was restarted counts from 0.
            self._published += published - (self._reported if published >= self._reported else 0)
            self._reported = published
        # Of what is dead-lettered to a queue, only its growth is seen.
        self.end = max(self.end, self._published, self.gone + messages)
        self.gone = self.end - messages


class QueueDrops:
    """What a queue with a limit dropped: what was published to it, isn't in it, and nobody took.

    The server tells these counts late, each as late as it likes, so a difference alone says nothing. It says something
    while the queue is full: what comes then drives something out. What was missing before, because it expired or was
    purged, is known from when the queue was quiet.

    Attributes:
        total: How many messages, since they are counted.
    """

    __slots__ = ("_before", "_missing", "_told", "total")

    def __init__(self) -> None:
        self.total = 0
        self._before = self._missing = 0
        self._told: tuple[int, int, int] | None = None

    def observe(self, published: int, taken: int, messages: int, *, full: bool) -> None:
        """Take in what the server says.

        Args:
            published: How many were published to the queue since the server began to count.
            taken: How many of them were acknowledged, or handed out for good.
            messages: How many are in it.
            full: Whether it holds as many as it may.
        """
        missing, told = published - taken - messages, (published, taken, messages)
        restarted = self._told is None or published < self._told[0]
        if restarted or (not full and told == self._told):
            self._missing, self._before = missing, self.total
        self._told = told
        if full:
            self.total = max(self.total, self._before + missing - self._missing)
