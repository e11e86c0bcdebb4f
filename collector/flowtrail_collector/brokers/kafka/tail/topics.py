"""What a topic's name says: whether it is read, and what it holds."""

from __future__ import annotations

import re

from flowtrail_collector.events.topics import holds_copies

__all__ = ["TopicFilter"]


class TopicFilter:
    """Tells topics by their names.

    Args:
        topics: Regular expression that a topic's whole name must match to be read.
        dead_letter_topics: The same for topics that hold dead letters; looked at first.
    """

    def __init__(self, topics: str, dead_letter_topics: str) -> None:
        self._topics = re.compile(topics)
        self._dead_letter_topics = re.compile(dead_letter_topics)
        self._kinds: dict[str, tuple[bool, bool]] = {}

    def wants(self, topic: str) -> bool:
        """Whether it is read."""
        if topic.startswith("__"):
            return False
        return self.kind(topic)[0] or self._topics.fullmatch(topic) is not None

    def kind(self, topic: str) -> tuple[bool, bool]:
        """Whether it holds dead letters, and whether it holds copies to be tried again."""
        kind = self._kinds.get(topic)
        if kind is None:
            dead = self._dead_letter_topics.fullmatch(topic) is not None
            kind = self._kinds[topic] = dead, holds_copies(topic)
        return kind
