"""`/api/v1/topics`: what was read, and what of it can't be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.events.mapping import TopicMappings
from flowtrail_collector.events.topics import TopicRead, advice
from flowtrail_collector.units import iso_time_ms
from flowtrail_collector.web.json import json_response

__all__ = ["TopicList", "topic_routes"]


class TopicList:
    """What was read of all topics, as the API answers it and the console shows it.

    Args:
        reads: Reads it from the store.
        mappings: Of the flow file.
        holds_dead_letters: Tells by a topic's name whether it does.
    """

    def __init__(
        self,
        reads: Callable[[], Sequence[TopicRead]],
        mappings: TopicMappings,
        holds_dead_letters: Callable[[str], bool],
    ) -> None:
        self._reads = reads
        self._mappings = mappings
        self._holds_dead_letters = holds_dead_letters

    def __call__(self) -> list[dict[str, Any]]:
        """A topic each, by name."""
        return [self._topic(read) for read in self._reads()]

    def _topic(self, read: TopicRead) -> dict[str, Any]:
        mapped = self._mappings.of(read.topic) is not None
        dead_letters = self._holds_dead_letters(read.topic)
        return {
            "topic": read.topic,
            "records": read.records,
            "without_type": read.without_type,
            "without_id": read.without_id,
            "mapping_problems": read.mapping_problems,
            "last_offset": read.last_offset,
            "last_time": iso_time_ms(read.last_ms),
            "watermark": iso_time_ms(read.watermark_ms or None),
            "mapped": mapped,
            "dead_letters": dead_letters,
            "advice": advice(read, mapped=mapped, dead_letters=dead_letters),
            "partitions": [
                {
                    "partition": item.partition,
                    "records": item.records,
                    "last_offset": item.last_offset,
                    "last_time": iso_time_ms(item.last_ms),
                    "watermark": iso_time_ms(item.watermark_ms or None),
                }
                for item in read.partitions
            ],
        }


def topic_routes(topics: TopicList) -> list[BaseRoute]:
    """The route that tells what was read."""

    def topic_list(request: Request) -> Response:
        """What was read of each topic: records, without a type or an id, mapping problems, last offset and time."""
        return json_response({"topics": topics()})

    return [Route("/api/v1/topics", topic_list, methods=["GET"])]
