"""A queue as a log: how many messages ever came into it, and how many have left it. Pure.

The server tells how many are in a queue and how many were published to it, each as of a moment of its own and up to
one of its intervals ago. What is put together of both never goes back, and its difference is always what is in the
queue.
"""

from __future__ import annotations

__all__ = ["QueueCounts"]


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
