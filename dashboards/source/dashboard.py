"""The frame of a dashboard: variables, links, grid; and its JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboards.source.parts import DATA_SOURCE, Json, Row

SCHEMA_VERSION = 41
"""Of Grafana 11.6; newer ones migrate it without a change."""

_GRID_WIDTH = 24


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    Attributes:
        uid: Its id, and its file's name.
        title: Shown.
        description: Shown in Grafana's list.
        up_metric: A metric that every target of this dashboard has; jobs and instances are taken from it.
        variables: After data source, job and instance.
        panels: Rows and panels in reading order.
        links: To other places, besides the other dashboards.
    """

    uid: str
    title: str
    description: str
    up_metric: str
    panels: Sequence[Row | Json]
    variables: Sequence[Json] = ()
    links: Sequence[Json] = field(default_factory=list)


def render(page: Dashboard) -> str:
    """The dashboard as JSON text, the same on every run."""
    return json.dumps(build(page), indent=2, ensure_ascii=False) + "\n"


def build(page: Dashboard) -> Json:
    """The dashboard in Grafana's classic schema."""
    job = query_variable("job", "Job", f"label_values({page.up_metric}, job)")
    of_job = _with_matcher(page.up_metric, 'job=~"$job"')
    instance = query_variable("instance", "Instance", f"label_values({of_job}, instance)")
    return {
        "annotations": {"list": [_GRAFANA_ANNOTATIONS]},
        "description": page.description,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "links": [*_OTHER_DASHBOARDS, *page.links],
        "panels": _placed(page.panels),
        "preload": False,
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["flowtrail", "kafka"],
        "templating": {"list": [_DATA_SOURCE_VARIABLE, job, instance, *page.variables]},
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": page.title,
        "uid": page.uid,
        "version": 1,
        "weekStart": "",
    }


_GRAFANA_ANNOTATIONS: Json = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}
_DATA_SOURCE_VARIABLE: Json = {
    "current": {"selected": False, "text": "default", "value": "default"},
    "hide": 0,
    "includeAll": False,
    "label": "Data source",
    "multi": False,
    "name": "datasource",
    "options": [],
    "query": "prometheus",
    "refresh": 1,
    "regex": "",
    "skipUrlSync": False,
    "type": "datasource",
}
_OTHER_DASHBOARDS: list[Json] = [
    {
        "asDropdown": True,
        "icon": "external link",
        "includeVars": False,
        "keepTime": True,
        "tags": ["flowtrail"],
        "targetBlank": False,
        "title": "flowtrail",
        "tooltip": "The other flowtrail dashboards",
        "type": "dashboards",
        "url": "",
    }
]


def link(title: str, url: str, tooltip: str) -> Json:
    """A link at the top of a dashboard."""
    return {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": False,
        "keepTime": False,
        "tags": [],
        "targetBlank": True,
        "title": title,
        "tooltip": tooltip,
        "type": "link",
        "url": url,
    }


def query_variable(name: str, label: str, query: str, description: str = "") -> Json:
    """A variable with the values that a label has, several of which may be chosen."""
    return {
        "allValue": ".+",
        "allowCustomValue": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": DATA_SOURCE,
        "description": description,
        "hide": 0,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "options": [],
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def text_variable(name: str, label: str, value: str, description: str) -> Json:
    """A variable that is typed in."""
    return {
        "current": {"selected": True, "text": value, "value": value},
        "description": description,
        "hide": 0,
        "label": label,
        "name": name,
        "options": [{"selected": True, "text": value, "value": value}],
        "query": value,
        "skipUrlSync": False,
        "type": "textbox",
    }


def _placed(items: Sequence[Row | Json]) -> list[Json]:
    """Number the panels and give each its place: from left to right, a new line when one is full."""
    placed: list[Json] = []
    x = y = line_height = 0
    for number, item in enumerate(items, start=1):
        if isinstance(item, Row):
            y, x, line_height = y + line_height, 0, 0
            placed.append(_row(item, number, y))
            y += 1
            continue
        panel: dict[str, Any] = dict(item)
        width, height = panel.pop("size")
        if x + width > _GRID_WIDTH:
            x, y, line_height = 0, y + line_height, 0
        panel = {"id": number, "gridPos": {"h": height, "w": width, "x": x, "y": y}, **panel}
        x, line_height = x + width, max(line_height, height)
        placed.append(panel)
    return placed


def _row(row: Row, number: int, y: int) -> Json:
    return {
        "collapsed": False,
        "gridPos": {"h": 1, "w": _GRID_WIDTH, "x": 0, "y": y},
        "id": number,
        "panels": [],
        "title": row.title,
        "type": "row",
    }


def _with_matcher(selector: str, matcher: str) -> str:
    return f"{selector[:-1]}, {matcher}}}" if selector.endswith("}") else f"{selector}{{{matcher}}}"
