"""docs/dashboards.md: how to install them, and what each panel shows, out of the dashboards themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dashboards.source.dashboard import render
from dashboards.source.pages import PAGES

__all__ = ["reference"]

_INTRODUCTION = """# Dashboards

Dashboards for Grafana 11.6 or newer, in `dashboards/grafana/`, and the rules that they and the [alerts](alerts/index.md) \
build on, in `dashboards/prometheus/`. This page is made by `make dashboards` of the dashboards themselves.

**By hand:** Dashboards, New, Import, one file after the other. **By provisioning:** as `deploy/grafana/provisioning/` does \
for [compose](compose.md). **Prometheus** loads `recording.yml`, `objectives.yml` and `alerts.yml` (`rule_files`), scrapes the \
collector's `/metrics`, and every service's own; a job is a service. Objectives of your own (how long a record may wait, how \
many flows have to end in time) go into `objectives.yml`.

Variables narrow what is shown; *Console* and *Jaeger* are addresses, for links to an order's trail and to its trace. The \
overview's figures lead to the dashboard that says why, and what was chosen is kept on the way.

- **A 0 was counted by somebody.** While no collector answers, the figures are empty, and the overview's first one is red.
- **Counts in a time range are exact**, not Prometheus' estimate: the first dead letter of a kind counts, and so does what a \
process counted before it was started again (if it was back within an hour). Bars count from one point of a graph to the next.
- **Rows that are normally zero are folded.** A click on their title opens them.
- **Firing alerts** are listed on the overview and marked on every graph. Objectives are dashed red lines.
- **Points are exemplars**, of what took more than a second. A click leads to the trace in Jaeger, or to the trail in the \
console (`exemplarTraceIdDestinations` in `deploy/grafana/provisioning/datasources/flowtrail.yaml`; change the address there).
"""


def reference() -> str:
    """The page, as Markdown."""
    return "\n".join([_INTRODUCTION, *(_section(json.loads(render(page))) for page in PAGES)])


def _section(dashboard: dict[str, Any]) -> str:
    title = dashboard["title"].removeprefix("flowtrail / ")
    variables = ", ".join(item["label"] for item in dashboard["templating"]["list"])
    rows = "".join(
        f"| {panel['title']} | {panel['description'].replace('|', chr(92) + '|')} |\n"
        for panel in _panels(dashboard["panels"])
    )
    return (
        f"## {title}\n\n{dashboard['description']} `dashboards/grafana/{dashboard['uid']}.json`; variables: {variables}.\n\n"
        f"| panel | shows |\n| --- | --- |\n{rows}"
    )


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        if panel["type"] == "row":
            yield from _panels(panel.get("panels", []))
        else:
            yield panel
