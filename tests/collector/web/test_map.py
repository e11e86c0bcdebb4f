"""The service map: whatever services there are, no label is covered, no arrow runs through a box, all leads somewhere."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.console._map import MAX_DRAWN, bound_words, flow_map, pace_words
from flowtrail_collector.console._map_health import health_of
from flowtrail_collector.console._map_lit import Lit, of_flow
from flowtrail_collector.console._map_text import fitted, text_width, wrapped
from flowtrail_collector.topology.model import Edge, EdgeKey
from flowtrail_collector.topology.rates import EdgeRate
from mapkit import FakeViews, edge, forty_services, group, letters_of, topology

NOW = 1_700_000_000.0

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_services = st.sampled_from(
    [
        "orders",
        "billing",
        "com.example.shop.fulfillment.warehouse-allocation",
        "MMMMMMMMMMMMMMMMMMMMM",
        "",
        "\u6ce8\u6587",
    ]
)
_topics = st.sampled_from(
    ["orders", "rabbitmq:payments", "stock", "shipments.eu-central-1.public.v1", "rabbitmq:letters"]
)
_edges = st.dictionaries(
    st.builds(EdgeKey, _services, _topics, _services),
    st.builds(edge, st.integers(1, 10**6), st.floats(0, 10**6), st.sampled_from([0, 1_699_999_000_000])),
    min_size=1,
    max_size=14,
)
_groups = st.lists(
    st.builds(
        group,
        st.one_of(_services, st.builds(lambda topic, name: f"{topic}.{name}", _topics, _services)),
        st.lists(_topics, max_size=3),
        st.sampled_from([None, "ok", "behind", "stopped"]),
        st.none() | st.integers(0, 10**7),
    ),
    max_size=4,
)
_letters = st.lists(st.builds(letters_of, _services, st.integers(1, 10**6), st.integers(0, 3)), max_size=2)


def drawn(edges, groups=(), letters=(), rates=None, lit=None):
    health = health_of(groups, {key.topic for key in edges}, letters)
    return flow_map(topology(edges, rates).edges(), health, lit, NOW)


def boxes(drawing) -> list[Box]:
    return [(node.x, node.y, node.x + node.width, node.y + node.height) for node in drawing.nodes]


def labels(drawing) -> list[Box]:
    """As wide as the layout takes them to be: that no font makes them wider is measured in a browser."""
    found = []
    for line in drawing.lines:
        for text, y in ((line.arrow.above, line.above_y), (line.arrow.below, line.below_y)):
            if text:
                found.append((line.x - line.room, y - 10, line.x, y + 3))
    return found


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


def nothing_covers_anything(drawing) -> None:
    solid = [*boxes(drawing), *labels(drawing)]
    for one, other in combinations(solid, 2):
        assert not overlap(one, other), (one, other)
    for left, top, right, bottom in solid:
        assert 0 <= left < right <= drawing.width
        assert 0 <= top < bottom <= drawing.height
    passed = [(line.arrow.says, point) for line in drawing.lines for point in points(line.path)]
    assert [each for each in passed if any(inside(each[1], box) for box in solid)] == []
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for _, (x, y) in passed)


@pytest.mark.slow
@given(_edges, _groups, _letters)
def test_nothing_covers_anything(edges, groups, letters):
    nothing_covers_anything(drawn(edges, groups, letters).drawing)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_nothing_covers_anything_on_a_map_of_forty_services(seed):
    edges, rates, groups = forty_services(seed)
    drawing = drawn(edges, groups, rates=rates).drawing
    nothing_covers_anything(drawing)
    services = [node for node in drawing.nodes if node.kind == "service"]
    assert len(services) == 40
    ends = {(key.source, key.target) for key in edges}
    assert sum((target, source) in ends for source, target in ends) > 10


@pytest.mark.slow
@given(_edges, _groups)
def test_each_arrow_comes_in_by_itself_between_its_labels(edges, groups):
    drawing = drawn(edges, groups).drawing
    nodes = {(node.kind, node.name): node for node in drawing.nodes}
    ends = set()
    for line in drawing.lines:
        first, *_, last = points(line.path)
        start, end = nodes[line.arrow.start], nodes[line.arrow.end]
        assert abs(start.x + start.width - first[0]) < 0.1
        assert 0 < end.x - last[0] < 5
        assert end.y < last[1] < end.y + end.height
        assert last not in ends, f"{line.arrow.says} comes in where another one does"
        ends.add(last)
        assert line.above_y < last[1] < line.below_y - 9


@pytest.mark.slow
@given(_edges, _groups, _letters)
def test_texts_stay_within_their_boxes_and_what_is_hit_is_large_enough(edges, groups, letters):
    for node in drawn(edges, groups, letters).drawing.nodes:
        bottoms = [0.0]
        for block in node.blocks:
            assert block.top == pytest.approx(bottoms[-1])
            assert block.height >= 24
            bottoms.append(block.top + block.height)
            for row in block.rows:
                assert text_width(row.text, row.size) <= node.width
                assert block.top < row.y - row.size * 0.7 < row.y + 2 < bottoms[-1]
        assert bottoms[-1] == pytest.approx(node.height)


@given(st.text(max_size=60), st.integers(20, 300))
def test_a_text_is_put_into_lines_that_fit_and_loses_nothing_it_has_room_for(text, width):
    lines = wrapped(text, 12, width, 3)
    assert 1 <= len(lines) <= 3
    assert all(text_width(line, 12) <= width for line in lines)
    if text_width(text, 12) <= width:
        assert lines == [text.strip()]


def test_of_a_name_that_is_too_long_beginning_and_end_are_left():
    shown = fitted("com.example.shop.fulfillment.warehouse", 12, 150)
    assert re.fullmatch(r"com\.ex.*….*house", shown)


def test_a_topic_says_which_broker_it_is_on():
    topics = ["rabbitmq:payments", "rabbitmq:a-topic", "payments"]
    drawing = drawn({EdgeKey("a", topic, "rabbitmq:b"): edge() for topic in topics}).drawing
    shown = {node.name: (node.shown, node.says) for node in drawing.nodes}
    assert [shown[topic] for topic in topics] == [
        ("payments", "topic rabbitmq:payments, RabbitMQ"), ("a-topic", "topic rabbitmq:a-topic, RabbitMQ"),
        ("payments", "topic payments, Kafka"),
    ]  # fmt: skip
    assert shown["rabbitmq:b"][0] == "rabbitmq:b"


def test_the_node_of_a_stopped_group_stands_out_and_says_why():
    edges = {EdgeKey("shop", "orders", "billing"): edge(), EdgeKey("shop", "rabbitmq:stock", "mail"): edge()}
    groups = [
        group("billing", ["orders"], "stopped", 7),
        group("rabbitmq:stock.mail", ["rabbitmq:stock.mail"], "behind", 3),
    ]
    found = drawn(edges, groups, [letters_of("billing", 2, 1)])
    nodes = {node.name: node for node in found.drawing.nodes}
    assert (nodes["billing"].level, nodes["mail"].level, nodes["shop"].level) == ("bad", "warn", "")
    assert [note.text for note in nodes["billing"].notes] == [
        "stopped: has no members", "2 dead letters, 1 in the last hour",
    ]  # fmt: skip
    assert all(row.text for block in nodes["billing"].blocks for row in block.rows)
    assert "⚠ stopped: has no members" in " ".join(row.text for row in nodes["billing"].blocks[0].rows)
    assert nodes["billing"].href == "/lag?group=billing"
    assert nodes["mail"].href == "/lag?group=rabbitmq%3Astock.mail"
    assert nodes["billing"].blocks[1].href == "/dead-letters?group=billing&state=pending"
    assert [node.name for node in found.wrong] == ["billing", "mail"]
    ill = {line.arrow.end[1]: line.arrow.level for line in found.drawing.lines if line.arrow.level}
    assert ill == {"billing": "bad", "mail": "warn"}


def test_dead_letters_from_before_the_last_hour_stand_out_less():
    found = drawn({EdgeKey("shop", "orders", "billing"): edge()}, (), [letters_of("billing", 1, 0)])
    [node] = found.wrong
    assert (node.level, node.notes[0].text) == ("warn", "1 dead letter, none in the last hour")


def test_an_edge_at_rest_says_when_something_came_last_and_what_is_certain_of_all():
    key = EdgeKey("shop", "orders", "billing")
    still = {key: EdgeRate(0.0, Edge())}
    at = int((NOW - 12 * 60 - 5) * 1000)
    [line] = [each for each in drawn({key: edge(5, 0.2, at)}, rates=still).drawing.lines if each.arrow.above]
    assert (line.arrow.above, line.arrow.below, line.arrow.rest) == ("last 12m ago", "p95 ≤ 250ms", True)
    assert "p50 ≤ 250ms, p95 ≤ 250ms, p99 ≤ 250ms" in line.arrow.says
    assert "OrderPlaced" in line.arrow.says


@pytest.mark.parametrize(
    ("rate", "words"), [(0.01, "0.6/min"), (0.1, "0.1/s"), (12.345, "12.3/s"), (12345.6, "12,346/s")]
)
def test_a_rate_is_told_as_people_say_it(rate, words):
    key = EdgeKey("a", "t", "b")
    [view] = topology({key: edge()}, {key: EdgeRate(rate, edge())}).edges()
    assert pace_words(view, NOW) == words


def test_what_took_longer_than_the_last_bound_is_only_known_to_have():
    assert (bound_words(float("inf")), bound_words(900.0)) == ("> 1h", "≤ 15m")


def test_the_edges_of_a_flow_are_lit_and_drawn_first():
    edges = {EdgeKey(f"s{i}", f"t{i}", f"s{j}"): edge(i + j) for i in range(40) for j in range(5)}
    lit = Lit("flow x", {("s0", "t0")}, {("t0", "s0")})
    found = drawn(edges, lit=lit)
    assert found.left_out == len(edges) - MAX_DRAWN
    assert sorted(line.arrow.start[1] for line in found.drawing.lines if line.arrow.lit) == ["s0", "t0"]
    whole = of_flow(FakeViews().list_flows()[0], topology(edges).edges())
    assert whole.what == "flow order-fulfilment"
    assert ("t1", "s2") in whole.reads


@pytest.mark.parametrize("services", [2, 40])
def test_a_map_of_many_services_draws_the_busiest(services):
    edges = {EdgeKey(f"s{i}", f"t{i}", f"s{j}"): edge(i + j) for i in range(services) for j in range(5)}
    found = drawn(edges)
    assert found.left_out == max(0, len(edges) - MAX_DRAWN)
    assert len(found.rows) == len(edges)
