"""What panels of every kind are made of: queries, thresholds, links, and the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

DATA_SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"
DARK_RED, TEXT = "dark-red", "text"
FLOWS, EVENTS = "flows/s", "events/s"


@dataclass(frozen=True, slots=True)
class Row:
    """A heading.

    Attributes:
        title: Shown.
        collapsed: Folded until it is opened: what is normally zero.
    """

    title: str
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Attributes:
        expression: PromQL.
        legend: Legend, with `{{label}}`.
        exemplar: Ask for exemplars too.
    """

    expression: str
    legend: str = ""
    exemplar: bool = False


OBJECTIVE = "objective"
"""Legend of an objective's line."""

NONE = "none"
"""Legend of the line that says that there is nothing else to draw."""


def or_none(query: Query, zero: str) -> list[Query]:
    """A query, and a line at zero while it finds nothing and `zero` finds that there is somebody to ask."""
    return [query, Query(f"{zero} unless on () ({query.expression})", NONE)]


def steps(*bounds: tuple[float, str], base: str = GREEN) -> Json:
    """Thresholds: a color from each bound on."""
    return {
        "mode": "absolute",
        "steps": [
            {"color": base, "value": None},
            *({"color": color, "value": bound} for bound, color in bounds),
        ],
    }


NEUTRAL = steps(base=BLUE)
ANY_IS_BAD = steps((1, RED))


def colored(name: str, color: str) -> Json:
    """A series of this name always has this color."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "color", "value": {"fixedColor": color, "mode": "fixed"}}],
    }


OBJECTIVE_LINE: Json = {
    "matcher": {"id": "byName", "options": OBJECTIVE},
    "properties": [
        {"id": "color", "value": {"fixedColor": RED, "mode": "fixed"}},
        {"id": "custom.lineStyle", "value": {"dash": [10, 10], "fill": "dash"}},
        {"id": "custom.fillOpacity", "value": 0},
    ],
}


def values(*mapped: tuple[int, str, str]) -> list[Json]:
    """Show numbers as words: (number, word, color)."""
    options = {
        str(number): {"color": color, "index": index, "text": word}
        for index, (number, word, color) in enumerate(mapped)
    }
    return [{"options": options, "type": "value"}]


def data_link(title: str, url: str, *, new_tab: bool = False) -> Json:
    """A link from a point or a cell."""
    return {"targetBlank": new_tab, "title": title, "url": url}


def panel(
    kind: str,
    title: str,
    description: str,
    unit: str,
    thresholds: Json,
    links: Sequence[Json],
    size: tuple[int, int],
) -> Json:
    """A panel of any kind, without options and queries."""
    defaults: Json = {"mappings": [], "thresholds": thresholds, "unit": unit}
    if links:
        defaults["links"] = list(links)
    return {
        "datasource": DATA_SOURCE,
        "description": description,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {},
        "pluginVersion": "11.6.0",
        "size": size,
        "targets": [],
        "title": title,
        "type": kind,
    }


def target(ref_id: str, query: Query, *, instant: bool = False, data_format: str = "time_series") -> Json:
    """A query as a panel asks it."""
    asked: Json = {
        "datasource": DATA_SOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "format": data_format,
        "instant": instant,
        "legendFormat": query.legend or "__auto",
        "range": not instant,
        "refId": ref_id,
    }
    if query.exemplar:
        asked["exemplar"] = True
    return asked
