"""The service map: services and topics as a graph, laid out from left to right.

A service publishes to topics, topics are read by services.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flowtrail_collector.broker_names import broker_of, without_broker
from flowtrail_collector.console._map_drawing import Drawing, draw
from flowtrail_collector.console._map_health import Health, level_of
from flowtrail_collector.console._map_lanes import Arrow
from flowtrail_collector.console._map_lit import Lit
from flowtrail_collector.console._map_nodes import Node, Note, Place
from flowtrail_collector.topology.view import LONGEST_SECONDS, EdgeView, merged, percentiles
from flowtrail_collector.wording import counted, format_span

__all__ = ["MAX_DRAWN", "FlowMap", "Row", "bound_words", "flow_map", "pace_words"]

MAX_DRAWN = 150
_NOBODY = Lit("", (), ())
_TYPES = 5


class Row(NamedTuple):
    """An edge, and how its reader reads the topic."""

    view: EdgeView
    reading: Mapping[str, Any] | None
    pace: str
    bounds: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class FlowMap:
    """What the template draws, and the same as rows of a table.

    Attributes:
        drawing: Boxes and arrows.
        rows: All edges, the busiest first.
        left_out: How many of them aren't drawn.
        wrong: Nodes that need attention, the worst first.
    """

    drawing: Drawing
    rows: Sequence[Row]
    left_out: int
    wrong: Sequence[Node]


class _Read(NamedTuple):
    """What a reader takes from a topic: one arrow, though several services may publish to it."""

    view: EdgeView | None
    reading: Mapping[str, Any] | None


def flow_map(
    views: Sequence[EdgeView], health: Health | None = None, lit: Lit | None = None, now: float | None = None
) -> FlowMap:
    """The map.

    Args:
        views: Which service reacts to which, the busiest edges first.
        health: How those are who read.
        lit: What stands out.
        now: Seconds since the epoch; None for the present.
    """
    health, lit, now = health or Health(), lit or _NOBODY, time.time() if now is None else now
    rows = [_row(view, health, now) for view in views]
    drawn = sorted(rows, key=lambda row: (not lit.has_edge(row.view), not _is_ill(row.reading)))[:MAX_DRAWN]
    reads = _reads(drawn, health)
    publishers: dict[tuple[str, str], list[EdgeView]] = defaultdict(list)
    for row in drawn:
        publishers[row.view.key.source, row.view.key.topic].append(row.view)
    arrows = [_write(*ends, merged(found), lit) for ends, found in sorted(publishers.items())]
    arrows += [_arrow(*ends, read, lit, now) for ends, read in reads.items()]
    columns = _columns(arrows, [row.view for row in drawn])
    ends = {place for arrow in arrows if arrow.lit for place in (arrow.start, arrow.end)}
    nodes = {place: _node(place, health, is_lit=place in ends) for place in columns}
    drawing = draw(columns, arrows, nodes)
    wrong = sorted((node for node in drawing.nodes if node.level), key=lambda node: node.level)
    return FlowMap(drawing, rows, len(rows) - len(drawn), wrong)


def bound_words(seconds: float) -> str:
    """What is certain of a percentile: a bound that it doesn't exceed, or that it exceeds the last one."""
    return f"> {format_span(LONGEST_SECONDS)}" if math.isinf(seconds) else f"≤ {format_span(seconds)}"


def pace_words(view: EdgeView, now: float) -> str:
    """How much goes over an edge now, or when something did last."""
    if view.per_second:
        rate = view.per_second
        if rate < 0.1:
            return f"{rate * 60:.2g}/min"
        return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"
    if view.edge.last_ms and view.lately is not None:
        return f"last {_ago(now - view.edge.last_ms / 1000)}"
    return "at rest" if view.lately is not None else counted(view.edge.events, "event")


def _ago(seconds: float) -> str:
    """As coarse as it is long ago: it is looked at, not reckoned with."""
    unit = next((size for size in (86400, 3600, 60) if seconds >= size), 1)
    return f"{format_span(max(1, seconds // unit) * unit)} ago"


def _row(view: EdgeView, health: Health, now: float) -> Row:
    reading = health.readings.get((view.key.topic, view.key.target))
    found = _percentiles(view)
    bounds = None if found is None else {name: bound_words(seconds) for name, seconds in found.items()}
    return Row(view, reading, pace_words(view, now), bounds)


def _percentiles(view: EdgeView) -> dict[str, float] | None:
    """Those of the last minute; where nothing is known of it, of all that was counted."""
    return percentiles(view.lately) or percentiles(view.edge)


def _is_ill(reading: Mapping[str, Any] | None) -> bool:
    return reading is not None and bool(level_of(reading["status"]))


def _reads(rows: Sequence[Row], health: Health) -> dict[tuple[str, str], _Read]:
    """What each reader takes from each topic. Whoever only consumes causes nothing, and would be missing."""
    found: dict[tuple[str, str], list[EdgeView]] = defaultdict(list)
    for row in rows:
        found[row.view.key.topic, row.view.key.target].append(row.view)
    topics = {row.view.key.topic for row in rows}
    silent = [ends for ends in sorted(health.readings) if ends[0] in topics and ends not in found]
    room = max(0, MAX_DRAWN - len(rows))
    reads = {ends: _Read(merged(views), health.readings.get(ends)) for ends, views in found.items()}
    return reads | {ends: _Read(None, health.readings[ends]) for ends in silent[:room]}


def _write(source: str, topic: str, view: EdgeView, lit: Lit) -> Arrow:
    says = f"{source or 'unknown'} publishes to {without_broker(topic)}{_types_words(view)}"
    href = f"/map/edge?{urlencode({'source': source, 'topic': topic})}"
    is_lit = (source, topic) in lit.writes
    return Arrow(
        ("service", source), ("topic", topic), href=href, says=says, rest=view.is_at_rest, lit=is_lit
    )


def _arrow(topic: str, reader: str, read: _Read, lit: Lit, now: float) -> Arrow:
    view, reading = read
    level = level_of(reading["status"]) if reading is not None else ""
    above = [pace_words(view, now)] if view is not None else []
    if reading is not None and reading["lag"]:
        above.append(f"lag {reading['lag']}")
    elif level and reading is not None:
        above.append(reading["status"])
    bounds = None if view is None else _percentiles(view)
    below = f"p95 {bound_words(bounds['p95'])}" if bounds else ""
    text = " · ".join(above)
    says = f"{reader} reads {without_broker(topic)}" + ("" if view is None else _types_words(view))
    if bounds:
        says += ", " + ", ".join(f"{name} {bound_words(seconds)}" for name, seconds in bounds.items())
    return Arrow(
        ("topic", topic),
        ("service", reader),
        f"⚠ {text}" if level else text,
        below,
        f"/map/edge?{urlencode({'topic': topic, 'target': reader})}",
        f"{says}, {text}" if text else says,
        level,
        view is not None and view.is_at_rest,
        (topic, reader) in lit.reads,
    )


def _types_words(view: EdgeView) -> str:
    types = view.cause_types
    more = f" and {len(types) - _TYPES} more" if len(types) > _TYPES else ""
    return f": {', '.join(types[:_TYPES])}{more}" if types else ""


def _node(place: Place, health: Health, *, is_lit: bool) -> Node:
    kind, name = place
    if kind == "topic":
        href = f"/map/topic?{urlencode({'name': name})}"
        return Node(kind, name, href, without_broker(name), [Note(broker_of(name))], is_lit)
    href = health.href(name) or f"/map/edge?{urlencode({'service': name})}"
    return Node(kind, name, href, name, health.notes(name), is_lit)


def _columns(arrows: Sequence[Arrow], views: Iterable[EdgeView]) -> dict[Place, int]:
    """How many arrows each node is away from where the flow begins."""
    after: dict[Place, list[Place]] = defaultdict(list)
    for arrow in arrows:
        after[arrow.start].append(arrow.end)
    surplus: Counter[Place] = Counter()
    for view in views:
        surplus["service", view.key.target] -= view.edge.events
        surplus["service", view.key.source] += view.edge.events
    columns: dict[Place, int] = {}
    # Where everything feeds back, the flow begins with who causes most beyond what it reacts to.
    services = sorted(place for place in after if place[0] == "service")
    for root in sorted(services, key=lambda place: -surplus[place]):
        if root not in columns:
            _walk(root, after, columns)
    for arrow in arrows:
        columns.setdefault(arrow.start, 0)
        columns.setdefault(arrow.end, columns[arrow.start] + 1)
    return columns


def _walk(root: Place, after: Mapping[Place, Sequence[Place]], columns: dict[Place, int]) -> None:
    columns[root] = 0
    queue = deque([root])
    while queue:
        place = queue.popleft()
        for following in after.get(place, ()):
            if following not in columns:
                columns[following] = columns[place] + 1
                queue.append(following)
