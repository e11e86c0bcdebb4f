"""The flow map: services and topics as a graph, laid out from left to right.

A service publishes to topics, topics are read by services. What closes a circle is drawn beneath the rest, so
that the direction of the flow is never in doubt.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.lag.words import needs_attention
from flowtrail_collector.topology.model import Edge, EdgeKey
from flowtrail_collector.topology.rates import EdgeRate
from flowtrail_collector.wording import format_seconds

MAX_DRAWN = 60
_WIDTH, _HEIGHT = 128, 46
_COLUMN, _ROW = 200, 84
_MARGIN, _SIDE = 14, 40
_BEND = 12
_LABEL_CHARS = 17

Place = tuple[str, str]
"""A node: `service` or `topic`, and its name."""


@dataclass(slots=True)
class Node:
    """A box on the map, in SVG units."""

    kind: str
    name: str
    x: float = 0.0
    y: float = 0.0
    note: str = ""
    ill: bool = False

    @property
    def label(self) -> str:
        """The name, short enough for the box."""
        return self.name if len(self.name) <= _LABEL_CHARS else self.name[: _LABEL_CHARS - 1] + "…"


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow between two boxes."""

    path: str
    title: str
    labels: tuple[str, ...] = ()
    x: float = 0.0
    y: float = 0.0
    ill: bool = False


@dataclass(frozen=True, slots=True)
class FlowMap:
    """What the template draws, and the same as rows of a table."""

    nodes: Sequence[Node]
    lines: Sequence[Line]
    width: float
    height: float
    rows: Sequence[dict[str, Any]]
    left_out: int
    box: tuple[int, int] = (_WIDTH, _HEIGHT)


def flow_map(
    edges: Mapping[EdgeKey, Edge],
    rates: Mapping[EdgeKey, EdgeRate],
    groups: Iterable[Mapping[str, Any]],
    letters: Iterable[DeadLetter],
) -> FlowMap:
    """The map.

    Args:
        edges: Who feeds whom.
        rates: What went over the edges lately.
        groups: Lag by consumer group and topic, as the lag overview tells it.
        letters: Pending dead letters.
    """
    readings = {(topic["topic"], group["group"]): topic for group in groups for topic in group["topics"]}
    waiting = Counter(letter.group or "" for letter in letters)
    rows = _rows(edges, rates, readings)
    topics = {row["topic"] for row in rows}
    drawn = rows[:MAX_DRAWN]
    # Whoever only consumes causes nothing, and would be missing.
    silent = [
        {"topic": topic, "target": group, "events": 0, "rate": None, "latency": None, "reading": reading}
        for (topic, group), reading in sorted(readings.items())
        if topic in topics and not any(row["topic"] == topic and row["target"] == group for row in rows)
    ]
    reads = _by_reader([*drawn, *silent[: MAX_DRAWN - len(drawn)]])
    writes = {(("service", row["source"]), ("topic", row["topic"])) for row in drawn}
    places, lines = _drawing(writes, reads, waiting)
    width = max((node.x for node in places), default=0) + _WIDTH + _SIDE
    bottom = max((node.y for node in places), default=0) + _HEIGHT + _MARGIN
    circles = sum(1 for line in lines if "q" in line.path)
    return FlowMap(places, lines, width, bottom + 26 * circles, rows, len(rows) - len(drawn))


def _rows(
    edges: Mapping[EdgeKey, Edge],
    rates: Mapping[EdgeKey, EdgeRate],
    readings: Mapping[tuple[str, str], Mapping[str, Any]],
) -> list[dict[str, Any]]:
    found = []
    for key, edge in sorted(edges.items(), key=lambda item: (-item[1].events, item[0])):
        rate = rates.get(key)
        overall = edge.latency_seconds / edge.events if edge.events else None
        recent = rate.mean_seconds if rate is not None else None
        found.append(
            {
                "source": key.source,
                "topic": key.topic,
                "target": key.target,
                "events": edge.events,
                "rate": rate.per_second if rate is not None else None,
                "latency": overall if recent is None else recent,
                "reading": readings.get((key.topic, key.target)),
            }
        )
    return found


def _by_reader(rows: Iterable[dict[str, Any]]) -> dict[tuple[Place, Place], dict[str, Any]]:
    """Several services may publish to one topic: what a reader takes from it is one arrow."""
    merged: dict[tuple[Place, Place], dict[str, Any]] = {}
    for row in rows:
        ends = (("topic", row["topic"]), ("service", row["target"]))
        if ends not in merged:
            merged[ends] = row | {"sources": {row["source"]} if "source" in row else set()}
            continue
        one = merged[ends]
        one["sources"].add(row["source"])
        events = one["events"] + row["events"]
        if events and row["latency"] is not None and one["latency"] is not None:
            total = one["latency"] * one["events"] + row["latency"] * row["events"]
            one["latency"] = total / events
        one["events"] = events
        if row["rate"] is not None:
            one["rate"] = (one["rate"] or 0) + row["rate"]
    return merged


def _drawing(
    writes: Iterable[tuple[Place, Place]],
    reads: Mapping[tuple[Place, Place], dict[str, Any]],
    waiting: Mapping[str, int],
) -> tuple[list[Node], list[Line]]:
    arrows = [*sorted(writes), *reads]
    columns = _columns(arrows, reads)
    nodes = _placed(columns, arrows)
    for node in nodes.values():
        if node.kind == "service" and waiting.get(node.name):
            count = waiting[node.name]
            node.note, node.ill = f"{count} dead letter{'s' if count > 1 else ''}", True
    bottom = max((node.y for node in nodes.values()), default=0) + _HEIGHT
    lines: list[Line] = []
    circles = 0
    for start, end in arrows:
        row = reads.get((start, end))
        back = columns[end] <= columns[start]
        circles += back
        draw = partial(_circle, number=circles, below=bottom + 26 * circles) if back else _straight
        lines.append(_line(nodes[start], nodes[end], row, draw))
    return list(nodes.values()), lines


def _columns(
    arrows: Sequence[tuple[Place, Place]], reads: Mapping[tuple[Place, Place], dict[str, Any]]
) -> dict[Place, int]:
    """How many arrows each node is away from where the flow begins."""
    after: dict[Place, list[Place]] = defaultdict(list)
    for start, end in arrows:
        after[start].append(end)
    surplus: Counter[Place] = Counter()
    for (_, reader), row in reads.items():
        surplus[reader] -= row["events"]
        for source in row["sources"]:
            surplus["service", source] += row["events"]
    columns: dict[Place, int] = {}
    # Where everything feeds back, the flow begins with who causes most beyond what it reacts to.
    services = sorted(place for place in after if place[0] == "service")
    for root in sorted(services, key=lambda place: -surplus[place]):
        if root in columns:
            continue
        columns[root] = 0
        queue = deque([root])
        while queue:
            place = queue.popleft()
            for following in after[place]:
                if following not in columns:
                    columns[following] = columns[place] + 1
                    queue.append(following)
    for start, end in arrows:
        columns.setdefault(start, 0)
        columns.setdefault(end, columns[start] + 1)
    return columns


def _placed(columns: Mapping[Place, int], arrows: Sequence[tuple[Place, Place]]) -> dict[Place, Node]:
    before: dict[Place, list[Place]] = defaultdict(list)
    for start, end in arrows:
        if columns[start] < columns[end]:
            before[end].append(start)
    nodes = {place: Node(*place) for place in columns}
    tallest = max(Counter(columns.values()).values(), default=1)
    for column in sorted(set(columns.values())):
        members = [place for place, number in columns.items() if number == column]

        def height(place: Place) -> tuple[float, str]:
            parents = [nodes[item].y for item in before[place]]
            return (sum(parents) / len(parents) if parents else 0.0, place[1])

        members.sort(key=height)
        top = _MARGIN + (tallest - len(members)) * _ROW / 2
        for number, place in enumerate(members):
            nodes[place].x = _SIDE + column * _COLUMN
            nodes[place].y = top + number * _ROW
    return nodes


def _line(
    start: Node,
    end: Node,
    row: Mapping[str, Any] | None,
    draw: Callable[[Node, Node], tuple[str, float, float]],
) -> Line:
    labels = _labels(row) if row is not None else ()
    reading = row["reading"] if row is not None else None
    ill = reading is not None and needs_attention(reading["status"])
    title = f"{start.name} → {end.name}" + (": " + ", ".join(labels) if labels else "")
    path, x, y = draw(start, end)
    if labels and "q" in path:
        labels = (" · ".join(labels),)
    return Line(path, title, labels, x, y, ill)


def _straight(start: Node, end: Node) -> tuple[str, float, float]:
    """From left to right; the path and where its label goes."""
    x1, y1 = start.x + _WIDTH, start.y + _HEIGHT / 2
    x2, y2 = end.x - 3, end.y + _HEIGHT / 2
    middle = (x1 + x2) / 2
    return f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}", middle, (y1 + y2) / 2


def _circle(start: Node, end: Node, *, number: int, below: float) -> tuple[str, float, float]:
    """Back: out to the right, beneath everything, and in from the left; each in a lane of its own."""
    away = 8 + 5 * (number % 4)
    x1, y1 = start.x + _WIDTH, start.y + _HEIGHT / 2
    x2, y2 = end.x - 3, end.y + _HEIGHT / 2
    path = (
        f"M{x1:g} {y1:g}h{away}q{_BEND} 0 {_BEND} {_BEND}V{below - _BEND:g}q0 {_BEND} {-_BEND} {_BEND}"
        f"H{x2 - away:g}q{-_BEND} 0 {-_BEND} {-_BEND}V{y2 + _BEND:g}q0 {-_BEND} {_BEND} {-_BEND}H{x2:g}"
    )
    return path, (x1 + x2) / 2, below


def _labels(row: Mapping[str, Any]) -> tuple[str, ...]:
    labels = []
    if row["rate"] is not None:
        labels.append(f"{row['rate']:.3g}/s")
    elif row["events"]:
        labels.append(f"{row['events']} event{'s' if row['events'] > 1 else ''}")
    if row["latency"] is not None:
        labels.append(format_seconds(row["latency"]))
    reading = row["reading"]
    if reading is not None and reading["lag"]:
        labels.append(f"lag {reading['lag']}")
    return tuple(labels)
