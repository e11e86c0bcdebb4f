"""What a person sees of the dashboards: true when something is away, legible, and leading on."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest

from dashkit.files import DASHBOARDS, REPOSITORY, load_yaml, panels, variables
from flowtrail_collector.lag.model import Status
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.lifecycle import DURATION_BUCKETS_SECONDS

each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)

# A screen of 1600 pixels leaves the panels this width; a letter of a title takes about eight, icon and edges the rest.
_WIDTH_PIXELS, _LETTER_PIXELS, _EDGES_PIXELS = 1270, 8, 60
_SOURCES = load_yaml(REPOSITORY / "deploy/grafana/provisioning/datasources/flowtrail.yaml")["datasources"]


def _panels(kind: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, board in DASHBOARDS.items():
        for panel in panels(board):
            if panel["type"] == kind or not kind:
                yield name, panel


def _panel(name: str, title: str, kind: str = "") -> dict[str, Any]:
    [found] = [
        panel for where, panel in _panels(kind) if (where, panel["title"]) == (f"flowtrail-{name}", title)
    ]
    return found


def _exemplars(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"] if target.get("exemplar")]


def test_states_keep_their_words() -> None:
    """Colored by thresholds, Grafana merges states into ranges and drops the words."""
    states = [panel for _, panel in _panels("state-timeline")]
    assert len(states) == 2
    for panel in states:
        assert panel["fieldConfig"]["defaults"]["color"]["mode"] != "thresholds"
        assert panel["fieldConfig"]["defaults"]["mappings"]


def test_every_status_has_a_word_and_a_color() -> None:
    [mapping] = _panel("lag", "Status")["fieldConfig"]["defaults"]["mappings"]
    assert set(mapping["options"]) == {str(int(status)) for status in Status}
    assert len({shown["text"] for shown in mapping["options"].values()}) == len(Status)


def test_one_color_per_outcome_everywhere() -> None:
    ended = [outcome.value for outcome in Outcome if outcome not in (Outcome.OPEN, Outcome.RETIRED)]
    colors = defaultdict(set)
    drawn = 0
    for _, panel in _panels():
        if not any(target["legendFormat"] == "{{outcome}}" for target in panel["targets"]):
            continue
        drawn += 1
        for override in panel["fieldConfig"]["overrides"]:
            [color] = [
                each["value"]["fixedColor"] for each in override["properties"] if each["id"] == "color"
            ]
            colors[override["matcher"]["options"]].add(color)
    assert drawn == 2
    assert set(colors) == set(ended)
    assert all(len(found) == 1 for found in colors.values())
    assert [colors[outcome] for outcome in ("completed", "compensated", "failed")] == [
        {"green"},
        {"orange"},
        {"red"},
    ]


def test_what_has_the_same_name_has_the_same_scale() -> None:
    scales: dict[str, set[str]] = defaultdict(set)
    for _, panel in _panels():
        if panel["type"] == "stat":
            scales[panel["title"]].add(str(panel["fieldConfig"]["defaults"]["thresholds"]))
        for override in panel["fieldConfig"]["overrides"]:
            for each in override["properties"]:
                if each["id"] == "thresholds":
                    scales[override["matcher"]["options"]].add(str(each["value"]))
    assert {name for name, found in scales.items() if len(found) > 1} == set()
    assert len(scales["Stuck"]) == 1


def test_nothing_to_show_is_not_alarming() -> None:
    for _, panel in _panels("stat"):
        defaults = panel["fieldConfig"]["defaults"]
        if "noValue" in defaults:
            assert defaults["thresholds"]["steps"][0]["color"] not in ("red", "orange", "yellow"), panel[
                "title"
            ]


@each_dashboard
def test_a_zero_is_one_that_somebody_counted(name: str) -> None:
    """`vector(0)` is there without anybody to ask; only for how many answer is that the truth."""
    invented = {
        panel["title"]
        for panel in panels(DASHBOARDS[name])
        for target in panel["targets"]
        if "vector(0)" in target["expr"]
    }
    assert invented <= {"Collector", "Collectors"}


def test_a_line_at_zero_is_there_only_while_there_is_no_other() -> None:
    lines = [
        (panel, target)
        for _, panel in _panels()
        for target in panel["targets"]
        if target["legendFormat"] == "none"
    ]
    assert len(lines) > 15
    for panel, target in lines:
        others = [each["expr"] for each in panel["targets"] if each is not target]
        assert " unless on () (" in target["expr"]
        assert all(other in target["expr"] for other in others), panel["title"]


def test_a_heat_map_has_room_for_its_labels() -> None:
    bounds = {str(bound) for bound in DURATION_BUCKETS_SECONDS} | {"+Inf"}
    maps = [panel for _, panel in _panels("heatmap")]
    assert len(maps) == 2
    for panel in maps:
        assert _exemplars(panel) == []
        assert panel["gridPos"]["h"] >= 10
    [target] = _panel("flow", "Durations")["targets"]
    wanted = re.compile(re.search(r'le=~"([^"]+)"', target["expr"])[1].replace(r"\\", "\\"))  # type: ignore[index]
    kept = {bound for bound in bounds if wanted.fullmatch(bound)}
    assert 6 <= len(kept) <= 10
    assert "+Inf" in kept


def test_exemplars_are_few_and_never_promised_in_vain() -> None:
    promised = [panel for _, panel in _panels() if "exemplar" in panel["description"]]
    assert promised == [panel for _, panel in _panels() if _exemplars(panel)]
    for panel in promised:
        [expression] = _exemplars(panel)
        found = re.search(r'_bucket\{[^}]*le!~"([^"]+)"', expression)
        assert found is not None
        quick = re.compile(found[1].replace(r"\\", "\\"))
        slow = {
            str(float(bound)) for bound in DURATION_BUCKETS_SECONDS if not quick.fullmatch(str(float(bound)))
        }
        assert slow == {str(float(bound)) for bound in DURATION_BUCKETS_SECONDS if bound > 1}


def test_titles_fit() -> None:
    for _, panel in _panels("stat"):
        room = panel["gridPos"]["w"] / 24 * _WIDTH_PIXELS
        assert len(panel["title"]) * _LETTER_PIXELS + _EDGES_PIXELS <= room, panel["title"]


@each_dashboard
def test_lines_of_panels_are_full(name: str) -> None:
    board = DASHBOARDS[name]
    folded = [row["panels"] for row in board["panels"] if row["type"] == "row"]
    for together in ([panel for panel in board["panels"] if panel["type"] != "row"], *folded):
        for y, line in groupby(together, key=lambda panel: panel["gridPos"]["y"]):
            assert sum(panel["gridPos"]["w"] for panel in line) == 24, (name, y)


def test_legends_are_sorted_and_zeros_lie_on_the_axis() -> None:
    for _, panel in _panels("timeseries"):
        legend = panel["options"]["legend"]
        assert (legend["sortBy"], legend["sortDesc"]) == ("Max", True)
        assert "max" in legend["calcs"]
        assert (legend["placement"] == "right") == (panel["gridPos"]["w"] >= 12)
        assert panel["fieldConfig"]["defaults"]["custom"]["axisSoftMax"] == 1


def test_bars_are_named_by_what_they_tell_apart() -> None:
    for _, panel in _panels("bargauge"):
        assert all("{{flow}}" not in target["legendFormat"] for target in panel["targets"]), panel["title"]


def test_units_say_what_is_counted() -> None:
    units = {panel["fieldConfig"]["defaults"]["unit"] for _, panel in _panels()}
    assert not units & {"cps", "ops", "reqps"}
    assert {"flows/s", "events/s"} <= units


@each_dashboard
def test_links_between_dashboards_keep_what_is_chosen(name: str) -> None:
    board = DASHBOARDS[name]
    of_services = name == "flowtrail-services"
    menus = [link for link in board["links"] if link["type"] == "dashboards"]
    assert all(link["includeVars"] and link["keepTime"] for link in menus)
    assert len(menus) == (0 if of_services else 1)
    reached = {
        other
        for other, target in DASHBOARDS.items()
        if any(set(menu["tags"]) <= set(target["tags"]) for menu in menus)
        or any(link["url"].startswith(f"/d/{other}?") for link in board["links"])
    }
    assert reached | {name} == set(DASHBOARDS)
    kept = {"datasource", "console", "jaeger"}
    for url in re.findall(r"/d/flowtrail-[^\"']+", str(board)):
        found = set(re.findall(r"\$\{(\w+):queryparam\}", url))
        assert found >= kept, url
        # A service is another job than the collector.
        assert found & {"job", "instance"} == (
            set() if of_services or url.startswith("/d/flowtrail-services") else {"job", "instance"}
        ), url
    assert kept <= set(variables(board))


def test_a_service_hands_on_its_group() -> None:
    panel = _panel("services", "Consumed", "timeseries")
    [link] = [each for each in panel["fieldConfig"]["defaults"]["links"] if "flowtrail-lag" in each["url"]]
    assert "var-group=${__field.labels.messaging_consumer_group_name:percentencode}&" in link["url"]


def test_grafana_draws_traces_as_graphs_and_exemplars_lead_to_trails() -> None:
    jaeger = [source for source in _SOURCES if source["type"] == "jaeger"]
    assert len(jaeger) == 2
    assert all(source["jsonData"]["nodeGraph"] == {"enabled": True} for source in jaeger)
    [prometheus] = [source for source in _SOURCES if source["type"] == "prometheus"]
    urls = [each.get("url") for each in prometheus["jsonData"]["exemplarTraceIdDestinations"]]
    # "$$" is how Grafana's provisioning writes "$".
    assert "http://localhost:8090/search?q=$${__value.raw}" in urls


def test_the_collector_comes_first() -> None:
    first, second, third = list(panels(DASHBOARDS["flowtrail-overview"]))[:3]
    assert [panel["title"] for panel in (first, second, third)] == ["Collector", "Behind", "Alerts"]
    for panel in (first, _panel("collector", "Collectors")):
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"] == "red"


@each_dashboard
def test_alerts_are_marked_on_every_graph(name: str) -> None:
    [alerts] = [each for each in DASHBOARDS[name]["annotations"]["list"] if not each.get("builtIn")]
    assert alerts["enable"]
    assert 'alertstate="firing"' in alerts["expr"]
    assert alerts["titleFormat"] == "{{alertname}}"


def test_lag_begins_with_a_line_for_each_group() -> None:
    table = next(panel for panel in panels(DASHBOARDS["flowtrail-lag"]) if panel["type"] != "stat")
    names = list(table["transformations"][1]["options"]["renameByName"].values())
    assert names == [
        "Group",
        "Status",
        "Records behind",
        "Longest wait",
        "Trend",
        "Time to catch up",
        "Members",
    ]


def test_what_is_normally_zero_is_folded() -> None:
    folded = {
        panel["title"]
        for board in DASHBOARDS.values()
        for row in board["panels"]
        if row["type"] == "row" and row["collapsed"]
        for panel in row["panels"]
    }
    assert folded >= {
        "Irregular",
        "Lost to retention",
        "Partitions without a commit",
        "Commits for nothing",
        "Reads that failed",
        "Failures by part",
        "Duplicates",
        "Contract violations",
        "Clock skew",
        "Failures of the instrumentation",
    }


def test_objectives_are_lines() -> None:
    drawn = {
        panel["title"]: target["expr"]
        for _, panel in _panels("timeseries")
        for target in panel["targets"]
        if target["legendFormat"] == "objective"
    }
    assert set(drawn) == {
        "Completion ratio",
        "Longest wait",
        "Longest wait, by topic",
        "Longest wait of an unread record",
    }
    assert all("_objective:" in expression for expression in drawn.values())


def test_services_are_drawn_as_a_graph() -> None:
    graph = next(panel for _, panel in _panels("nodeGraph"))
    assert {target["refId"]: target["format"] for target in graph["targets"]} == {
        "nodes": "table",
        "edges": "table",
    }
    [renaming] = [each["options"]["renameByName"] for each in graph["transformations"]]
    assert set(renaming.values()) == {"mainstat"}
