"""Panels, complete as Grafana 11.6 itself saves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

DATA_SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"


@dataclass(frozen=True, slots=True)
class Row:
    """A heading."""

    title: str


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


def stat(
    title: str,
    description: str,
    query: str,
    unit: str,
    thresholds: Json,
    *,
    links: Sequence[Json] = (),
    no_value: str = "",
    decimals: int | None = None,
    size: tuple[int, int] = (4, 4),
) -> Json:
    """One figure."""
    panel = _panel("stat", title, description, unit, thresholds, links, size)
    panel["fieldConfig"]["defaults"] |= {"color": {"mode": "thresholds"}}
    if no_value:
        panel["fieldConfig"]["defaults"]["noValue"] = no_value
    if decimals is not None:
        panel["fieldConfig"]["defaults"]["decimals"] = decimals
    panel["options"] = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "value",
        "wideLayout": True,
    }
    panel["targets"] = [_target("A", Query(query), instant=True)]
    return panel


def lines(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    thresholds: Json = NEUTRAL,
    *,
    links: Sequence[Json] = (),
    stack: bool = False,
    show_thresholds: bool = False,
    minimum: float | None = 0,
    maximum: float | None = None,
    size: tuple[int, int] = (12, 8),
) -> Json:
    """Lines over time."""
    panel = _panel("timeseries", title, description, unit, thresholds, links, size)
    defaults = panel["fieldConfig"]["defaults"]
    defaults |= {"color": {"mode": "palette-classic"}, "custom": _line_style(stack, show_thresholds)}
    if minimum is not None:
        defaults["min"] = minimum
    if maximum is not None:
        defaults["max"] = maximum
    panel["options"] = {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom",
                   "showLegend": True},
        "tooltip": {"hideZeros": False, "mode": "multi", "sort": "desc"},
    }  # fmt: skip
    panel["targets"] = [_target(chr(65 + number), query) for number, query in enumerate(queries)]
    return panel


def _line_style(stack: bool, show_thresholds: bool) -> Json:
    return {
        "axisBorderShow": False,
        "axisCenteredZero": False,
        "axisColorMode": "text",
        "axisLabel": "",
        "axisPlacement": "auto",
        "barAlignment": 0,
        "barWidthFactor": 0.6,
        "drawStyle": "line",
        "fillOpacity": 30 if stack else 8,
        "gradientMode": "none",
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
        "insertNulls": False,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "pointSize": 5,
        "scaleDistribution": {"type": "linear"},
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stack else "none"},
        "thresholdsStyle": {"mode": "dashed" if show_thresholds else "off"},
    }


def heatmap(title: str, description: str, query: Query, *, size: tuple[int, int] = (12, 8)) -> Json:
    """The buckets of a histogram in seconds over time."""
    panel = _panel("heatmap", title, description, "short", NEUTRAL, (), size)
    panel["fieldConfig"]["defaults"]["custom"] = {
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
        "scaleDistribution": {"type": "linear"},
    }
    panel["options"] = {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scale": "exponential",
            "scheme": "Oranges",
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"},
    }
    panel["targets"] = [_target("A", query, data_format="heatmap")]
    return panel


def states(
    title: str,
    description: str,
    query: Query,
    mappings: Sequence[Json],
    thresholds: Json,
    *,
    links: Sequence[Json] = (),
    size: tuple[int, int] = (24, 8),
) -> Json:
    """A state per series over time."""
    panel = _panel("state-timeline", title, description, "none", thresholds, links, size)
    panel["fieldConfig"]["defaults"] |= {
        "color": {"mode": "thresholds"},
        "custom": {
            "fillOpacity": 70,
            "hideFrom": {"legend": False, "tooltip": False, "viz": False},
            "lineWidth": 0,
        },
        "mappings": list(mappings),
    }
    panel["options"] = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "mergeValues": True,
        "rowHeight": 0.85,
        "showValue": "auto",
        "tooltip": {"hideZeros": False, "mode": "single", "sort": "none"},
    }
    panel["targets"] = [_target("A", query)]
    return panel


def bars(
    title: str,
    description: str,
    query: Query,
    unit: str,
    thresholds: Json,
    *,
    links: Sequence[Json] = (),
    size: tuple[int, int] = (12, 8),
) -> Json:
    """One bar per series, as of now."""
    panel = _panel("bargauge", title, description, unit, thresholds, links, size)
    panel["fieldConfig"]["defaults"] |= {"color": {"mode": "thresholds"}, "min": 0}
    panel["options"] = {
        "displayMode": "basic",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    panel["targets"] = [_target("A", query, instant=True)]
    return panel


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: a query, or a label (then without an expression).

    Attributes:
        name: Heading.
        expression: PromQL, empty for a label.
        label: Which label, for a column of one.
        unit: Of the values.
        thresholds: Color the cell by these.
        links: Where a cell leads.
        mappings: Values shown as words.
    """

    name: str
    expression: str = ""
    label: str = ""
    unit: str = "short"
    thresholds: Json | None = None
    links: Sequence[Json] = ()
    mappings: Sequence[Json] = ()


def table(
    title: str,
    description: str,
    columns: Sequence[Column],
    *,
    sort_by: str,
    size: tuple[int, int] = (24, 8),
) -> Json:
    """One line per combination of labels, one column per query; what a query doesn't know stays empty."""
    panel = _panel("table", title, description, "short", NEUTRAL, (), size)
    panel["fieldConfig"]["defaults"] |= {
        "color": {"mode": "thresholds"},
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
    }
    queries = [column for column in columns if column.expression]
    fields: dict[str, Column] = {}
    for column in columns:
        # Grafana names the value of query B of several "Value #B", that of an only one "Value".
        value = f"Value #{chr(65 + queries.index(column))}" if column in queries else column.label
        fields["Value" if column in queries and len(queries) == 1 else value] = column
    panel["fieldConfig"]["overrides"] = [_column_style(column) for column in columns]
    panel["options"] = {
        "cellHeight": "sm",
        "footer": {"countRows": False, "fields": "", "reducer": ["sum"], "show": False},
        "showHeader": True,
        "sortBy": [{"desc": True, "displayName": sort_by}],
    }
    panel["targets"] = [
        _target(chr(65 + number), Query(column.expression), instant=True, data_format="table")
        for number, column in enumerate(queries)
    ]
    panel["transformations"] = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "includeByName": {},
                "indexByName": {name: number for number, name in enumerate(fields)},
                "renameByName": {name: column.name for name, column in fields.items()},
            },
        },
    ]
    return panel


def _column_style(column: Column) -> Json:
    properties: list[Json] = [{"id": "unit", "value": column.unit}]
    if column.thresholds is not None:
        properties.append({"id": "thresholds", "value": column.thresholds})
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if column.mappings:
        properties.append({"id": "mappings", "value": list(column.mappings)})
    if column.links:
        properties.append({"id": "links", "value": list(column.links)})
    return {"matcher": {"id": "byName", "options": column.name}, "properties": properties}


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


def _panel(
    kind: str,
    title: str,
    description: str,
    unit: str,
    thresholds: Json,
    links: Sequence[Json],
    size: tuple[int, int],
) -> Json:
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


def _target(ref_id: str, query: Query, *, instant: bool = False, data_format: str = "time_series") -> Json:
    target: Json = {
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
        target["exemplar"] = True
    return target
