"""The service map: whatever services there are, no label is covered, and no arrow runs through a box."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.console._map import MAX_DRAWN, flow_map
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.topology.model import Edge, EdgeKey

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_services = st.sampled_from(
    ["orders", "billing", "inventory", "fulfillment", "customers-of-the-shop", "mail"]
)
_topics = st.sampled_from(["orders", "payments", "stock", "shipments.eu-central-1", "letters"])
_edges = st.dictionaries(
    st.builds(EdgeKey, _services, _topics, _services),
    st.builds(Edge, st.integers(1, 10**6), st.floats(0, 10**6)),
    min_size=1,
    max_size=14,
)
_groups = st.lists(
    st.fixed_dictionaries(
        {
            "group": _services,
            "topics": st.lists(
                st.fixed_dictionaries(
                    {
                        "topic": _topics,
                        "lag": st.none() | st.integers(0, 10**7),
                        "status": st.sampled_from([None, "ok", "behind", "stopped"]),
                    }
                ),
                max_size=3,
            ),
        }
    ),
    max_size=4,
)


def letter(group: str) -> DeadLetter:
    return DeadLetter("orders.dlq", 0, 0, 1, "c", "e", "s", "T", source_topic="orders", group=group)


def boxes(drawing) -> list[Box]:
    return [(node.x, node.y, node.x + drawing.box_width, node.y + node.height) for node in drawing.nodes]


def labels(drawing) -> list[Box]:
    """As wide and high as such letters are in DejaVu, which is wider than most fonts."""
    return [
        (line.x - 5.8 * len(line.label), line.y - 10, line.x, line.y + 2.5)
        for line in drawing.lines
        if line.label
    ]


def points(path: str) -> list[tuple[float, float]]:
    """Where a path comes past, in steps of some units."""
    found: list[tuple[float, float]] = []
    for command, text in re.findall(r"([MHVQC])([^MHVQC]*)", path):
        numbers = [float(number) for number in text.split()]
        if command == "M":
            found.append((numbers[0], numbers[1]))
            continue
        last = found[-1]
        if command == "H":
            numbers = [numbers[0], last[1]]
        elif command == "V":
            numbers = [last[0], numbers[0]]
        knots = [last, *zip(numbers[::2], numbers[1::2], strict=True)]
        steps = 3 + int(max(abs(end[axis] - last[axis]) for end in knots for axis in (0, 1)) / 4)
        found += [_between(knots, step / steps) for step in range(1, steps + 1)]
    return found


def _between(knots: list[tuple[float, float]], share: float) -> tuple[float, float]:
    while len(knots) > 1:
        knots = [(a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share) for a, b in pairwise(knots)]
    return knots[0]


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def inside(point: tuple[float, float], box: Box) -> bool:
    return box[0] + 0.1 < point[0] < box[2] - 0.1 and box[1] + 0.1 < point[1] < box[3] - 0.1


@pytest.mark.slow
@given(_edges, _groups, st.lists(st.builds(letter, _services), max_size=2))
def test_nothing_covers_anything(edges, groups, letters):
    drawing = flow_map(edges, {}, groups, letters).drawing
    solid = [*boxes(drawing), *labels(drawing)]
    for one, other in combinations(solid, 2):
        assert not overlap(one, other), (one, other)
    for left, top, right, bottom in solid:
        assert 0 <= left < right <= drawing.width
        assert 0 <= top < bottom <= drawing.height
    passed = [(line.title, point) for line in drawing.lines for point in points(line.path)]
    assert [each for each in passed if any(inside(each[1], box) for box in solid)] == []
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for _, (x, y) in passed)


@pytest.mark.slow
@given(_edges, _groups)
def test_each_arrow_comes_in_by_itself_beneath_its_label(edges, groups):
    drawing = flow_map(edges, {}, groups, []).drawing
    ends = set()
    for line in drawing.lines:
        first, *_, last = points(line.path)
        start, end = re.split(" → |: ", line.title)[:2]
        assert any(
            node.name == start and abs(node.x + drawing.box_width - first[0]) < 0.1 for node in drawing.nodes
        )
        assert any(
            node.name == end and 0 < node.x - last[0] < 5 and node.y < last[1] < node.y + node.height
            for node in drawing.nodes
        )
        assert last not in ends, f"{line.title} comes in where another one does"
        ends.add(last)
        assert not line.label or (0 < last[1] - line.y < 10 and line.x < last[0])


def test_a_topic_on_rabbitmq_is_called_by_its_name_with_its_broker_beneath():
    topics = ["rabbitmq:payments", "rabbitmq:a-topic-with-a-long-name", "payments"]
    drawing = flow_map(
        {EdgeKey("a", topic, "rabbitmq:b"): Edge(1, 1.0) for topic in topics}, {}, [], []
    ).drawing
    shown = {node.name: (node.label, node.broker) for node in drawing.nodes}
    assert [shown[topic] for topic in topics] == [
        ("payments", "RabbitMQ"), ("a-topic-with-a-…", "RabbitMQ"), ("payments", ""),
    ]  # fmt: skip
    assert shown["rabbitmq:b"] == ("rabbitmq:b", "")


@pytest.mark.parametrize("services", [2, 40])
def test_a_map_of_many_services_draws_the_busiest(services):
    edges = {EdgeKey(f"s{i}", f"t{i}", f"s{j}"): Edge(i + j, 1.0) for i in range(services) for j in range(2)}
    drawn = flow_map(edges, {}, [], [])
    assert drawn.left_out == max(0, len(edges) - MAX_DRAWN)
    assert len(drawn.rows) == len(edges)
