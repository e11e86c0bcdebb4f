"""Panels, complete as Grafana 11.6 itself saves them."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.source.parts import NEUTRAL, OBJECTIVE, OBJECTIVE_LINE, TEXT, Json, Query, panel, target


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
    mappings: Sequence[Json] = (),
    size: tuple[int, int] = (4, 4),
) -> Json:
    """One figure."""
    drawn = panel("stat", title, description, unit, thresholds, links, size)
    drawn["fieldConfig"]["defaults"] |= {"color": {"mode": "thresholds"}, "mappings": list(mappings)}
    if no_value:
        drawn["fieldConfig"]["defaults"]["noValue"] = no_value
    if decimals is not None:
        drawn["fieldConfig"]["defaults"]["decimals"] = decimals
    drawn["options"] = {
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
    drawn["targets"] = [target("A", Query(query), instant=True)]
    return drawn


def lines(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    thresholds: Json = NEUTRAL,
    *,
    links: Sequence[Json] = (),
    stack: bool = False,
    bars: bool = False,
    show_thresholds: bool = False,
    minimum: float | None = 0,
    maximum: float | None = None,
    colors: Sequence[Json] = (),
    size: tuple[int, int] = (12, 8),
) -> Json:
    """Lines over time; bars for what happened between one point and the next."""
    drawn = panel("timeseries", title, description, unit, thresholds, links, size)
    defaults = drawn["fieldConfig"]["defaults"]
    defaults |= {"color": {"mode": "palette-classic"}, "custom": _line_style(stack, show_thresholds)}
    if bars:
        defaults["custom"] |= {"drawStyle": "bars", "fillOpacity": 80}
        defaults["decimals"] = 0
    drawn["fieldConfig"]["overrides"] = list(colors)
    if any(query.legend == OBJECTIVE for query in queries):
        drawn["fieldConfig"]["overrides"].append(OBJECTIVE_LINE)
    if minimum is not None:
        defaults["min"] = minimum
    if maximum is not None:
        defaults["max"] = maximum
    # Beside a wide panel there is room for all of a dozen names, below a narrow one only for the highest.
    drawn["options"] = {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table",
                   "placement": "right" if size[0] >= _WIDE else "bottom", "showLegend": True,
                   "sortBy": "Max", "sortDesc": True},
        "tooltip": {"hideZeros": False, "mode": "multi", "sort": "desc"},
    }  # fmt: skip
    drawn["targets"] = [target(chr(65 + number), query) for number, query in enumerate(queries)]
    return drawn


_WIDE = 12


def _line_style(stack: bool, show_thresholds: bool) -> Json:
    return {
        # Zeros lie on an axis from 0 to 1, not on one from 0 to 100.
        "axisSoftMax": 1,
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


def heatmap(title: str, description: str, query: Query, *, size: tuple[int, int] = (12, 10)) -> Json:
    """The buckets of a histogram in seconds over time."""
    drawn = panel("heatmap", title, description, "short", NEUTRAL, (), size)
    drawn["fieldConfig"]["defaults"]["custom"] = {
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
        "scaleDistribution": {"type": "linear"},
    }
    drawn["options"] = {
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
    drawn["targets"] = [target("A", query, data_format="heatmap")]
    return drawn


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
    drawn = panel("state-timeline", title, description, "none", thresholds, links, size)
    drawn["fieldConfig"]["defaults"] |= {
        # With colors by thresholds, Grafana merges values into ranges ("< 1", "3+") and forgets the words.
        "color": {"fixedColor": TEXT, "mode": "fixed"},
        "custom": {
            "fillOpacity": 70,
            "hideFrom": {"legend": False, "tooltip": False, "viz": False},
            "lineWidth": 0,
        },
        "mappings": list(mappings),
    }
    drawn["options"] = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "mergeValues": True,
        "rowHeight": 0.85,
        "showValue": "auto",
        "tooltip": {"hideZeros": False, "mode": "single", "sort": "none"},
    }
    drawn["targets"] = [target("A", query)]
    return drawn


def bars(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    thresholds: Json,
    *,
    links: Sequence[Json] = (),
    size: tuple[int, int] = (12, 8),
) -> Json:
    """One bar per series, as of now, in whole numbers."""
    drawn = panel("bargauge", title, description, unit, thresholds, links, size)
    drawn["fieldConfig"]["defaults"] |= {"color": {"mode": "thresholds"}, "decimals": 0, "min": 0}
    drawn["options"] = {
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
    drawn["targets"] = [target(chr(65 + number), query, instant=True) for number, query in enumerate(queries)]
    return drawn
