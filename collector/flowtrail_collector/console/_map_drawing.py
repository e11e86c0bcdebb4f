"""Where the boxes, arrows and labels of the service map are, in SVG units.

Columns go from left to right. Each box has a row of its own in its column, as high as the arrows that come in need
it, each beneath its label. Between two columns there is room, from left to right, for arrows that leave downwards,
for curves, for arrows that come up from beneath, and for labels. So a label is crossed by nothing, and no arrow
runs through a box: one that doesn't lead to the next column goes round beneath the others.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowtrail_collector.broker_names import RABBITMQ, broker_of, without_broker

WIDTH = 116
_HEIGHT = 46
_GAP = 26
_MARGIN = 14
_CURVE = 26
_LANE = 12
_STEP = 7
_BEND = 6
_PORT = 19
_CHAR = 6.0
"""Width of a character of a label, at most on average."""
_TIP = 12
"""From the end of a label to the box; the arrowhead is there."""
_ABOVE = 5
"""From the baseline of a label down to its arrow."""
_NAME_CHARS = 16

Place = tuple[str, str]
"""A node: `service` or `topic`, and its name."""


@dataclass(slots=True)
class Node:
    """A box on the map."""

    kind: str
    name: str
    note: str = ""
    ill: bool = False
    x: float = 0.0
    y: float = 0.0
    height: float = _HEIGHT
    labels_from: float = 0.0
    """Where the room for labels begins that is left of its column."""

    @property
    def label(self) -> str:
        """The name, short enough for the box; a topic's without its broker."""
        name = without_broker(self.name) if self.kind == "topic" else self.name
        return name if len(name) <= _NAME_CHARS else name[: _NAME_CHARS - 1] + "…"

    @property
    def broker(self) -> str:
        """The broker that a topic is on, if it isn't Kafka."""
        return broker_of(self.name) if self.kind == "topic" and self.name.startswith(RABBITMQ) else ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """What leads from one place to another."""

    start: Place
    end: Place
    label: str = ""
    ill: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow as it is drawn; its label ends at `x`, and stands on `y`."""

    path: str
    title: str
    label: str
    x: float
    y: float
    ill: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes and arrows on a canvas."""

    nodes: Sequence[Node]
    lines: Sequence[Line]
    width: float
    height: float
    box_width: float = WIDTH


def draw(columns: Mapping[Place, int], arrows: Sequence[Arrow], notes: Mapping[Place, str]) -> Drawing:
    """Lay a map out.

    Args:
        columns: The column of each place, from 0.
        arrows: Between these places.
        notes: What is wrong with a place, in a few words.
    """
    nodes = {place: Node(*place, notes.get(place, ""), place in notes) for place in columns}
    arriving: dict[Place, list[Arrow]] = defaultdict(list)
    for arrow in arrows:
        arriving[arrow.end].append(arrow)
    for place, node in nodes.items():
        node.height = max(_HEIGHT, _PORT * (len(arriving[place]) + 1))
    _stack(nodes, columns, arriving)
    lanes = _Lanes(columns, arrows)
    width = _spread(nodes, columns, arriving, lanes)
    bottom = max((node.y + node.height for node in nodes.values()), default=0.0)
    lines = [
        line
        for place in nodes
        for line in _lines(nodes, place, _in_order(arriving[place], nodes, lanes), lanes, bottom)
    ]
    return Drawing(list(nodes.values()), lines, width, bottom + _LANE * len(lanes.depths) + _MARGIN)


class _Lanes:
    """The arrows that go round beneath everything, each in a lane of its own; the widest are the deepest."""

    def __init__(self, columns: Mapping[Place, int], arrows: Iterable[Arrow]) -> None:
        round_about = [arrow for arrow in arrows if columns[arrow.end] != columns[arrow.start] + 1]

        def reach(arrow: Arrow) -> tuple[int, Place, Place]:
            return (abs(columns[arrow.start] - columns[arrow.end]), arrow.start, arrow.end)

        self.depths = {arrow: depth for depth, arrow in enumerate(sorted(round_about, key=reach), 1)}
        self.down = self._numbers(lambda arrow: columns[arrow.start])
        self.up = self._numbers(lambda arrow: columns[arrow.end])
        self.leaving = Counter(columns[arrow.start] for arrow in self.depths)
        self.coming = Counter(columns[arrow.end] for arrow in self.depths)

    def _numbers(self, column_of: Callable[[Arrow], int]) -> dict[Arrow, int]:
        """From 1, in the order of depth, beside the same column."""
        count: Counter[int] = Counter()
        found = {}
        for arrow in self.depths:
            count[column_of(arrow)] += 1
            found[arrow] = count[column_of(arrow)]
        return found


def _stack(
    nodes: Mapping[Place, Node], columns: Mapping[Place, int], arriving: Mapping[Place, Sequence[Arrow]]
) -> None:
    """Set the heights at which boxes stand: beside what leads to them, the columns centred."""
    members: dict[int, list[Place]] = defaultdict(list)
    for place, column in columns.items():
        members[column].append(place)
    heights = {
        column: sum(nodes[place].height + _GAP for place in places) - _GAP
        for column, places in members.items()
    }
    tallest = max(heights.values(), default=0.0)

    def beside(place: Place) -> tuple[float, str]:
        before = [nodes[arrow.start].y for arrow in arriving[place] if columns[arrow.start] < columns[place]]
        return (sum(before) / len(before) if before else 0.0, place[1])

    for column in sorted(members):
        top = _MARGIN + (tallest - heights[column]) / 2
        for place in sorted(members[column], key=beside):
            nodes[place].y = top
            top += nodes[place].height + _GAP


def _spread(
    nodes: Mapping[Place, Node],
    columns: Mapping[Place, int],
    arriving: Mapping[Place, Sequence[Arrow]],
    lanes: _Lanes,
) -> float:
    """Set how far to the right boxes stand, so that what is between columns has room; the whole width."""
    x = _MARGIN
    for column in range(max(columns.values(), default=0) + 1):
        places = [place for place, number in columns.items() if number == column]
        if column:
            x += _CURVE
        labels_from = x + _STEP * lanes.coming[column]
        longest = max((len(arrow.label) for place in places for arrow in arriving[place]), default=0)
        x = math.ceil(labels_from + longest * _CHAR + _TIP)
        for place in places:
            nodes[place].x, nodes[place].labels_from = x, labels_from
        x += WIDTH + _STEP * (lanes.leaving[column] + 1)
    return x + _MARGIN


def _in_order(arrows: Sequence[Arrow], nodes: Mapping[Place, Node], lanes: _Lanes) -> list[Arrow]:
    """From the top: as high as where they begin, then those from beneath, whose deepest comes up leftmost."""
    straight = len(lanes.depths) + 1
    return sorted(arrows, key=lambda arrow: (-lanes.depths.get(arrow, straight), nodes[arrow.start].y))


def _lines(
    nodes: Mapping[Place, Node], end: Place, arrows: Sequence[Arrow], lanes: _Lanes, bottom: float
) -> Iterable[Line]:
    """The arrows to one box, from the top."""
    target = nodes[end]
    for number, arrow in enumerate(arrows, 1):
        start, y = nodes[arrow.start], target.y + target.height * number / (len(arrows) + 1)
        title = f"{start.name} → {target.name}" + (f": {arrow.label}" if arrow.label else "")
        if arrow in lanes.depths:
            path = _round_about(start, target, y, arrow, lanes, bottom)
        else:
            path = _straight(start, target, y)
        yield Line(path, title, arrow.label, target.x - _TIP, y - _ABOVE, arrow.ill)


def _straight(start: Node, end: Node, y: float) -> str:
    """To the next column: a curve to the height at which it comes in, then level beneath its label."""
    x1, y1, x2 = start.x + WIDTH, start.y + start.height / 2, end.labels_from
    middle = (x1 + x2) / 2
    return f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y:g} {x2:g} {y:g}H{end.x - 3:g}"


def _round_about(start: Node, end: Node, y: float, arrow: Arrow, lanes: _Lanes, bottom: float) -> str:
    """Out to the right, down to its lane, along it, and up to where it comes in."""
    y1, lane = start.y + start.height / 2, bottom + _LANE * lanes.depths[arrow]
    down = start.x + WIDTH + _STEP * lanes.down[arrow]
    up = end.labels_from - _STEP * lanes.up[arrow]
    bend = _BEND if down < up else -_BEND
    return (
        f"M{start.x + WIDTH:g} {y1:g}H{down - _BEND:g}Q{down:g} {y1:g} {down:g} {y1 + _BEND:g}"
        f"V{lane - _BEND:g}Q{down:g} {lane:g} {down + bend:g} {lane:g}H{up - bend:g}"
        f"Q{up:g} {lane:g} {up:g} {lane - _BEND:g}V{y + _BEND:g}Q{up:g} {y:g} {up + _BEND:g} {y:g}H{end.x - 3:g}"
    )
