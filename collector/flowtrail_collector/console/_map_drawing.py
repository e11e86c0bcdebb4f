"""Where the boxes, arrows and labels of the service map are, in SVG units.

Columns go from left to right. Each box has a row of its own in its column, as high as its texts and the arrows that
come in need it, each with its labels above and beneath. Between two columns there is room, from left to right, for
arrows that leave downwards, for curves, for arrows that come up from beneath, and for labels. So a label is crossed
by nothing, and no arrow runs through a box: one that doesn't lead to the next column goes round beneath the others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowtrail_collector.console._map_lanes import Arrow, Lanes
from flowtrail_collector.console._map_nodes import NOTE_SIZE, Node, Place, blocks_of
from flowtrail_collector.console._map_text import text_width

__all__ = ["Drawing", "Line", "draw"]

_GAP = 24
_MARGIN = 16
_CURVE, _CURVE_EACH, _CURVE_MOST = 24, 3, 60
_LANE = 12
_STEP = 8
_BEND = 6
_PORT, _PLAIN_PORT = 40.0, 14.0
"""What an arrow that comes in takes up of a box's height: with labels, and without."""
_TIP = 14
"""From the end of a label to the box; the arrowhead is there."""
_ABOVE, _BELOW = 6, 15
"""From an arrow to the baselines of its labels."""


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow as it is drawn; it comes in at `y`, its labels end at `x`, and take up the width `room`."""

    arrow: Arrow
    path: str
    x: float
    y: float
    room: float

    @property
    def above_y(self) -> float:
        """The baseline of what stands on it."""
        return self.y - _ABOVE

    @property
    def below_y(self) -> float:
        """The baseline of what stands beneath it."""
        return self.y + _BELOW


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes and arrows on a canvas."""

    nodes: Sequence[Node]
    lines: Sequence[Line]
    width: float
    height: float


def draw(columns: Mapping[Place, int], arrows: Sequence[Arrow], nodes: Mapping[Place, Node]) -> Drawing:
    """Lay a map out.

    Args:
        columns: The column of each place, from 0.
        arrows: Between these places.
        nodes: What stands in each of them; they get their places.
    """
    arriving: dict[Place, list[Arrow]] = defaultdict(list)
    for arrow in arrows:
        arriving[arrow.end].append(arrow)
    for place, node in nodes.items():
        blocks_of(node)
        _stretch(node, sum(map(_port, arriving[place])))
    _stack(nodes, columns, arriving)
    lanes = Lanes(columns, arrows)
    width = _spread(nodes, columns, arriving, lanes)
    bottom = max((node.y + node.height for node in nodes.values()), default=0.0)
    lines = [
        line
        for place in nodes
        for line in _lines(nodes, place, _in_order(arriving[place], nodes, lanes), lanes, bottom)
    ]
    ordered = sorted(nodes.values(), key=lambda node: (node.x, node.y))
    return Drawing(ordered, lines, width, bottom + _LANE * len(lanes.depths) + _MARGIN)


def _port(arrow: Arrow) -> float:
    return _PORT if arrow.is_labelled else _PLAIN_PORT


def _stretch(node: Node, least: float) -> None:
    """Make a box so high at least; what it says first has the room above what leads elsewhere."""
    more = least - node.height
    if more > 0:
        head, *others = node.blocks
        head.height += more
        head.rows = [row._replace(y=row.y + more / 2) for row in head.rows]
        for block in others:
            block.top += more
            block.rows = [row._replace(y=row.y + more) for row in block.rows]
        node.height = least


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
    lanes: Lanes,
) -> float:
    """Set how far to the right boxes stand, so that what is between columns has room; the whole width."""
    x: float = _MARGIN
    for column in range(max(columns.values(), default=0) + 1):
        places = [place for place, number in columns.items() if number == column]
        coming = [arrow for place in places for arrow in arriving[place]]
        if column:
            x += min(_CURVE_MOST, _CURVE + _CURVE_EACH * len(coming))
        labels_from = x + _STEP * lanes.coming[column]
        longest = max(map(_room, coming), default=0.0)
        x = math.ceil(labels_from + longest + _TIP)
        width = max((nodes[place].width for place in places), default=0.0)
        for place in places:
            nodes[place].x, nodes[place].width, nodes[place].labels_from = x, width, labels_from
        x += math.ceil(width) + _STEP * (lanes.leaving[column] + 1)
    return x + _MARGIN


def _room(arrow: Arrow) -> float:
    return max(text_width(arrow.above, NOTE_SIZE), text_width(arrow.below, NOTE_SIZE))


def _in_order(arrows: Sequence[Arrow], nodes: Mapping[Place, Node], lanes: Lanes) -> list[Arrow]:
    """From the top: as high as where they begin, then those from beneath, whose deepest comes up leftmost."""
    straight = len(lanes.depths) + 1
    return sorted(arrows, key=lambda arrow: (-lanes.depths.get(arrow, straight), nodes[arrow.start].y))


def _lines(
    nodes: Mapping[Place, Node], end: Place, arrows: Sequence[Arrow], lanes: Lanes, bottom: float
) -> Iterable[Line]:
    """The arrows to one box, from the top."""
    target = nodes[end]
    spare = (target.height - sum(map(_port, arrows))) / max(1, len(arrows))
    top = target.y
    for arrow in arrows:
        start, y = nodes[arrow.start], top + (_port(arrow) + spare) / 2
        top += _port(arrow) + spare
        if arrow in lanes.depths:
            path = _round_about(start, target, y, arrow, lanes, bottom)
        else:
            path = _straight(start, target, y)
        yield Line(arrow, path, target.x - _TIP, y, _room(arrow))


def _straight(start: Node, end: Node, y: float) -> str:
    """To the next column: a curve to the height at which it comes in, then level between its labels."""
    x1, y1, x2 = start.x + start.width, start.y + start.height / 2, end.labels_from
    middle = (x1 + x2) / 2
    return f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y:g} {x2:g} {y:g}H{end.x - 3:g}"


def _round_about(start: Node, end: Node, y: float, arrow: Arrow, lanes: Lanes, bottom: float) -> str:
    """Out to the right, down to its lane, along it, and up to where it comes in."""
    y1, lane = start.y + start.height / 2, bottom + _LANE * lanes.depths[arrow]
    right = start.x + start.width
    down = math.ceil(right) + _STEP * lanes.down[arrow]
    up = end.labels_from - _STEP * lanes.up[arrow]
    bend = _BEND if down < up else -_BEND
    return (
        f"M{right:g} {y1:g}H{down - _BEND:g}Q{down:g} {y1:g} {down:g} {y1 + _BEND:g}"
        f"V{lane - _BEND:g}Q{down:g} {lane:g} {down + bend:g} {lane:g}H{up - bend:g}"
        f"Q{up:g} {lane:g} {up:g} {lane - _BEND:g}V{y + _BEND:g}Q{up:g} {y:g} {up + _BEND:g} {y:g}H{end.x - 3:g}"
    )
