"""The rules of grafana/dashboard-linter, whose program can't be had everywhere.

https://github.com/grafana/dashboard-linter/blob/main/docs/index.md; each test is named after its rule, exceptions
are in its own format in dashboards/grafana/.lint. The rules about PromQL itself are in test_promql.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from dashkit.files import DASHBOARDS, GRAFANA, load_yaml, panels, variables

# The linter looks at a few kinds of panels only; these tests look at all.
_UNITS = {
    "none",
    "string",
    "short",
    "percent",
    "percentunit",
    "bytes",
    "s",
    "ms",
    "mps",
    # Grafana writes a unit that it doesn't know behind the number, as it is.
    "flows/s",
    "events/s",
    "spans/s",
    "headers/s",
    "reads/s",
    "failures/s",
    "collections/s",
}

_EXCLUSIONS = load_yaml(GRAFANA / ".lint")["exclusions"]

each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


_WHOLE = {"$__range"}
# Functions whose window isn't that of a rate: what is counted in the time range, what is looked back for at most, and
# what smooths or spans a gap.
_WINDOWS = {
    "increase": {"$__range", "$__rate_interval"},
    "count_over_time": _WHOLE,
    "sum_over_time": _WHOLE,
    "min_over_time": _WHOLE,
    "last_over_time": {*_WHOLE, "1h", "1d"},
    "avg_over_time": {"5m"},
}


def _targets(name: str) -> Iterator[tuple[str, str]]:
    for panel in panels(DASHBOARDS[name]):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def _excluded(rule: str, dashboard: str, panel: str) -> bool:
    entries = _EXCLUSIONS[rule]["entries"] if rule in _EXCLUSIONS else []
    return {"dashboard": DASHBOARDS[dashboard]["title"], "panel": panel} in entries


@each_dashboard
def test_template_datasource_rule(name: str) -> None:
    sources = [item for item in variables(DASHBOARDS[name]).values() if item["type"] == "datasource"]
    assert [(item["name"], item["label"], item["query"]) for item in sources] == [
        ("datasource", "Data source", "prometheus")
    ]


@each_dashboard
@pytest.mark.parametrize("variable", ["job", "instance"])
def test_template_job_rule_and_template_instance_rule(name: str, variable: str) -> None:
    item = variables(DASHBOARDS[name])[variable]
    assert item["datasource"]["uid"] == "${datasource}"
    assert (item["type"], item["label"], item["multi"], item["allValue"]) == (
        "query",
        variable.title(),
        True,
        ".+",
    )


@each_dashboard
def test_template_label_promql_rule_and_template_on_time_change_reload_rule(name: str) -> None:
    for item in variables(DASHBOARDS[name]).values():
        if item["type"] == "query":
            assert re.fullmatch(r"label_values\(.+, \w+\)", item["query"]["query"])
            assert item["refresh"] == 2


@each_dashboard
def test_panel_datasource_rule(name: str) -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(DASHBOARDS[name]):
        assert panel["datasource"] == source
        assert all(target["datasource"] == source for target in panel["targets"])


@each_dashboard
def test_panel_title_description_rule(name: str) -> None:
    for panel in panels(DASHBOARDS[name]):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]


@each_dashboard
def test_panel_units_rule(name: str) -> None:
    for panel in panels(DASHBOARDS[name]):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in _UNITS, panel["title"]
        assert defaults["thresholds"]["steps"], panel["title"]
        for override in panel["fieldConfig"]["overrides"]:
            units = [item["value"] for item in override["properties"] if item["id"] == "unit"]
            assert len(units) == (panel["type"] == "table")
            assert set(units) <= _UNITS


@each_dashboard
def test_panel_no_targets_rule(name: str) -> None:
    assert all(panel["targets"] for panel in panels(DASHBOARDS[name]))


@each_dashboard
def test_target_rate_interval_rule(name: str) -> None:
    for title, expression in _targets(name):
        for function, interval in re.findall(r"(\w+)\([^()\[]*\[([^\]]+)\]", expression):
            if function in ("rate", "irate", "deriv"):
                assert interval == "$__rate_interval", (title, expression)
            else:
                assert interval in _WINDOWS[function], (title, expression)


@each_dashboard
@pytest.mark.parametrize("variable", ["job", "instance"])
def test_target_job_rule_and_target_instance_rule(name: str, variable: str) -> None:
    for title, expression in _targets(name):
        if _excluded(f"target-{variable}-rule", name, title):
            continue
        selectors = re.findall(r"\{[^{}]*\}", expression)
        assert selectors, (title, expression)
        assert all(f'{variable}=~"${variable}"' in each for each in selectors), (title, expression)


@each_dashboard
def test_target_counter_agg_rule(name: str) -> None:
    for title, expression in _targets(name):
        for before, interval in re.findall(r"(\w+)\(\w+_total\{[^{}]*\}(\[[^\]]+\])?", expression):
            assert before in {"rate", "irate", *_WINDOWS}, (title, expression)
            assert interval, (title, expression)


@each_dashboard
def test_uneditable_dashboard(name: str) -> None:
    assert DASHBOARDS[name]["editable"] is False


def test_every_exclusion_is_needed_and_has_a_reason() -> None:
    titles = {(board["title"], panel["title"]) for board in DASHBOARDS.values() for panel in panels(board)}
    for rule in _EXCLUSIONS.values():
        assert rule["reason"]
        assert all((entry["dashboard"], entry["panel"]) in titles for entry in rule.get("entries", []))


def test_expressions_are_not_empty() -> None:
    expressions: list[Any] = [expression for name in DASHBOARDS for _, expression in _targets(name)]
    assert len(expressions) > 100
    assert all(expressions)
