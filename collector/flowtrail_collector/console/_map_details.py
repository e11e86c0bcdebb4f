"""What is behind the links of the service map: an edge, a topic."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flowtrail_collector.console._map import bound_words, pace_words
from flowtrail_collector.console._map_health import Health
from flowtrail_collector.topology.lately import Crossing
from flowtrail_collector.topology.view import EdgeView, merged, percentiles
from flowtrail_collector.units import iso_time_ms

__all__ = ["crossing_rows", "edge_values", "topic_values"]


_NAMED = 2


class Span(NamedTuple):
    """What was counted over some time.

    Attributes:
        words: Over which time.
        events: Reactions.
        bounds: What is certain of p50, p95 and p99; empty without reactions.
    """

    words: str
    events: int
    bounds: Mapping[str, str]


def edge_values(views: Sequence[EdgeView], now: float | None = None) -> dict[str, Any]:
    """What a page about edges says of them together: at least one."""
    whole = merged(views)
    spans = [] if whole.lately is None else [_span("in the last minute", whole.lately)]
    types = [
        {
            "cause": pair.cause,
            "effect": pair.effect,
            "events": reading.events,
            "last": iso_time_ms(reading.last_ms or None),
        }
        for pair, reading in sorted(whole.types.items(), key=lambda item: (-item[1].events, item[0]))
    ]
    return {
        "ends": [_ends(views, part) for part in ("source", "topic", "target")],
        "view": whole,
        "views": views,
        "pace": pace_words(whole, time.time() if now is None else now),
        "last": iso_time_ms(whole.edge.last_ms or None),
        "spans": [*spans, _span("since the store began", whole.edge)],
        "types": types,
    }


def crossing_rows(crossings: Sequence[Crossing]) -> list[dict[str, Any]]:
    """What went over edges, as the template lists it."""
    return [{**each._asdict(), "at": iso_time_ms(each.at_ms or None)} for each in crossings]


def topic_values(name: str, views: Sequence[EdgeView], health: Health) -> dict[str, Any]:
    """Who writes a topic, and who reads it and how.

    Args:
        name: The topic.
        views: Edges through it.
        health: How those are who read.
    """
    writers: dict[str, list[EdgeView]] = {}
    readers: dict[str, list[EdgeView]] = {}
    for view in views:
        writers.setdefault(view.key.source, []).append(view)
        readers.setdefault(view.key.target, []).append(view)
    silent = [reader for topic, reader in health.readings if topic == name and reader not in readers]
    return {
        "writers": [(service, merged(found)) for service, found in sorted(writers.items())],
        "readers": [
            {
                "name": reader,
                "view": merged(readers[reader]) if reader in readers else None,
                "reading": health.readings.get((name, reader)),
                "href": health.href(reader),
            }
            for reader in sorted([*readers, *silent])
        ],
    }


def _ends(views: Sequence[EdgeView], part: str) -> str:
    """Where edges begin, lead through, or end, in a few words."""
    names = sorted({getattr(view.key, part) for view in views})
    return " and ".join(names) if len(names) <= _NAMED else f"{len(names)} {part}s"


def _span(words: str, edge: Any) -> Span:
    found = percentiles(edge) or {}
    return Span(words, edge.events, {name: bound_words(seconds) for name, seconds in found.items()})
