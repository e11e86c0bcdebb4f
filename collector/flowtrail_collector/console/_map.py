"""The service map: services and topics as a graph, laid out from left to right.

A service publishes to topics, topics are read by services.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowtrail_collector.broker_names import RABBITMQ
from flowtrail_collector.console._map_drawing import Arrow, Drawing, Place, draw
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.lag.words import needs_attention
from flowtrail_collector.topology.model import Edge, EdgeKey
from flowtrail_collector.topology.rates import EdgeRate
from flowtrail_collector.wording import counted, format_seconds

MAX_DRAWN = 60


@dataclass(frozen=True, slots=True)
class FlowMap:
    """What the template draws, and the same as rows of a table."""

    drawing: Drawing
    rows: Sequence[dict[str, Any]]
    left_out: int


def flow_map(
    edges: Mapping[EdgeKey, Edge],
    rates: Mapping[EdgeKey, EdgeRate],
    groups: Iterable[Mapping[str, Any]],
    letters: Iterable[DeadLetter],
) -> FlowMap:
    """The map.

    Args:
        edges: Which service reacts to which.
        rates: What went over the edges lately.
        groups: Lag by consumer group and topic, as the lag overview tells it.
        letters: Pending dead letters.
    """
    readings = {(topic["topic"], group["group"]): topic for group in groups for topic in group["topics"]}
    readings |= _of_queues(readings, {key.topic for key in edges})
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
    writes = sorted({(("service", row["source"]), ("topic", row["topic"])) for row in drawn})
    columns = _columns([*writes, *reads], reads)
    arrows = [Arrow(start, end) for start, end in writes]
    arrows += [_arrow(start, end, row) for (start, end), row in reads.items()]
    notes = {place: f"⚠ {counted(waiting[name], 'dead letter')}" for place in columns
             if (name := place[1]) in waiting and place[0] == "service"}  # fmt: skip
    return FlowMap(draw(columns, arrows, notes), rows, len(rows) - len(drawn))


def _of_queues(
    readings: Mapping[tuple[str, str], Mapping[str, Any]], topics: Iterable[str]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Queues by the exchange they get their messages from and the group they belong to: `<topic>.<group>`."""
    return {
        (topic, queue.removeprefix(f"{topic}.")): reading
        for (queue, _), reading in readings.items()
        if queue.startswith(RABBITMQ)
        for topic in topics
        if queue.startswith(f"{topic}.")
    }


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


def _arrow(start: Place, end: Place, row: Mapping[str, Any]) -> Arrow:
    reading = row["reading"]
    ill = reading is not None and needs_attention(reading["status"])
    label = " · ".join(_labels(row))
    return Arrow(start, end, f"⚠ {label or reading['status']}" if ill else label, ill)


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
