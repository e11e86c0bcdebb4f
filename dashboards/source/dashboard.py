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
        variables: After data source, job and instance; console and Jaeger are on every dashboard.
        of_services: Its jobs and instances are those of services, which mean nothing to the other dashboards.
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
    of_services: bool = False


def render(page: Dashboard) -> str:
    """The dashboard as JSON text, the same on every run."""
    return json.dumps(build(page), indent=2, ensure_ascii=False) + "\n"


def build(page: Dashboard) -> Json:
    """The dashboard in Grafana's classic schema."""
    job = query_variable("job", "Job", f"label_values({page.up_metric}, job)")
    of_job = _with_matcher(page.up_metric, 'job=~"$job"')
    instance = query_variable("instance", "Instance", f"label_values({of_job}, instance)")
    return {
        "annotations": {"list": [_GRAFANA_ANNOTATIONS, _ALERT_ANNOTATIONS]},
        "description": page.description,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "links": [*_menu(page), *page.links],
        "panels": _placed(page.panels),
        "preload": False,
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["flowtrail", "kafka"] if page.of_services else ["flowtrail", "kafka", _OF_COLLECTOR],
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
_ALERT_ANNOTATIONS: Json = {
    "datasource": DATA_SOURCE,
    "enable": True,
    "expr": 'ALERTS{alertname=~"Flowtrail.+", alertstate="firing"}',
    "hide": False,
    "iconColor": "red",
    "name": "Alerts",
    "step": "60s",
    "tagKeys": "severity",
    "textFormat": "{{flow}} {{group}} {{job}}",
    "titleFormat": "{{alertname}}",
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
_OF_COLLECTOR = "flowtrail-collector"
"""Tag of the dashboards that share the collector's job and instance."""

_COLLECTOR_PAGES = {
    "Overview": "flowtrail-overview",
    "Flow": "flowtrail-flow",
    "Consumer lag": "flowtrail-lag",
    "Dead letters": "flowtrail-dead-letters",
    "Collector": "flowtrail-collector",
}
KEPT = "${datasource:queryparam}&${console:queryparam}&${jaeger:queryparam}"
"""What every dashboard means alike, to be kept when one goes to another."""


def _menu(page: Dashboard) -> list[Json]:
    """The other dashboards. Between those of the collector everything chosen is kept."""
    if page.of_services:
        return [_to_other(title, uid) for title, uid in _COLLECTOR_PAGES.items()]
    others: Json = {
        "asDropdown": True,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": [_OF_COLLECTOR],
        "targetBlank": False,
        "title": "flowtrail",
        "tooltip": "The other dashboards of the collector",
        "type": "dashboards",
        "url": "",
    }
    return [others, _to_other("Services", "flowtrail-services")]


def _to_other(title: str, uid: str) -> Json:
    return link(title, f"/d/{uid}?{KEPT}", f"flowtrail / {title}") | {
        "icon": "dashboard",
        "keepTime": True,
        "targetBlank": False,
    }


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
    into = placed
    x = y = line_height = 0
    for number, item in enumerate(items, start=1):
        if isinstance(item, Row):
            # What is in a folded row takes no room.
            y = y + line_height if into is placed else placed[-1]["gridPos"]["y"] + 1
            x = line_height = 0
            placed.append(_row(item, number, y))
            into = placed[-1]["panels"] if item.collapsed else placed
            y += 1
            continue
        panel: dict[str, Any] = dict(item)
        width, height = panel.pop("size")
        if x + width > _GRID_WIDTH:
            x, y, line_height = 0, y + line_height, 0
        panel = {"id": number, "gridPos": {"h": height, "w": width, "x": x, "y": y}, **panel}
        x, line_height = x + width, max(line_height, height)
        into.append(panel)
    return placed


def _row(row: Row, number: int, y: int) -> Json:
    return {
        "collapsed": row.collapsed,
        "gridPos": {"h": 1, "w": _GRID_WIDTH, "x": 0, "y": y},
        "id": number,
        "panels": [],
        "title": row.title,
        "type": "row",
    }


def _with_matcher(selector: str, matcher: str) -> str:
    return f"{selector[:-1]}, {matcher}}}" if selector.endswith("}") else f"{selector}{{{matcher}}}"
