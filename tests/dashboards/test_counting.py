"""What the dashboards say is true, by Prometheus' own engine on histories that were made up."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashkit.files import DASHBOARDS, panels
from dashkit.grafana import fill_in
from dashkit.histories import SCRAPE_SECONDS, History, kept_by_collectors, kept_by_processes, written

HISTORIES = 40


def query(name: str, title: str, place: int = 0) -> str:
    """A query of a panel, with everything chosen."""
    [expression] = [
        panel["targets"][place]["expr"]
        for panel in panels(DASHBOARDS[name])
        if panel["title"] == title and panel["targets"][0]["instant"]
    ]
    return str(expression)


def filled(expression: str, window: int) -> str:
    """A query with everything chosen, over so many scrapes."""
    values = dict.fromkeys(("job", "instance", "flow", "group", "topic"), ".*")
    times = {"__range": f"{window * SCRAPE_SECONDS}s", "__interval": "15s", "__rate_interval": "60s"}
    return fill_in(expression, values | times)


def checked(promtool: str, folder: Path, tests: list[dict[str, Any]]) -> str:
    """What promtool finds wrong; nothing if all is right."""
    file = folder / "tests.yml"
    # JSON is YAML.
    file.write_text(json.dumps({"evaluation_interval": "15s", "tests": tests}))
    found = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    return "" if found.returncode == 0 else found.stdout + found.stderr


def expected(history: History, expression: str, samples: list[dict[str, Any]]) -> dict[str, Any]:
    """One history and what a query says at its end."""
    return {
        "interval": f"{SCRAPE_SECONDS}s",
        "input_series": [
            {"series": name, "values": written(seen)}
            for name, seen in history.series.items()
            if any(value is not None for value in seen)
        ],
        "promql_expr_test": [
            {
                "expr": filled(expression, history.window),
                "eval_time": f"{(history.scrapes - 1) * SCRAPE_SECONDS}s",
                "exp_samples": samples,
            }
        ],
    }


@pytest.mark.servers
@pytest.mark.parametrize(
    ("make", "name", "title"),
    [
        (kept_by_collectors, "flowtrail-dead-letters", "Arrived"),
        (kept_by_processes, "flowtrail-services", "Dead-lettered"),
    ],
    ids=["collectors", "processes"],
)
def test_what_arrived_is_the_very_number(
    promtool: str, tmp_path: Path, make: Callable[[int], History], name: str, title: str
) -> None:
    expression = query(name, title)
    tests = []
    for history in map(make, range(HISTORIES)):
        total = None if history.risen is None else sum(history.risen.values())
        tests.append(
            expected(history, expression, [] if total is None else [{"labels": "{}", "value": total}])
        )
    assert len({sum(h.risen.values()) for h in map(make, range(HISTORIES)) if h.risen}) > HISTORIES // 4
    assert checked(promtool, tmp_path, tests) == ""


@pytest.mark.servers
def test_the_bars_of_a_graph_add_up_to_what_arrived(promtool: str, tmp_path: Path) -> None:
    [graph] = [
        panel
        for panel in panels(DASHBOARDS["flowtrail-dead-letters"])
        if panel["title"] == "Arrivals by error"
    ]
    history = History(30)
    history.series = {
        'flowtrail_collector_store_bytes{job="flowtrail", instance="a"}': [1] * 40,
        'flowtrail_dlq_arrivals_total{topic="d", source_topic="t", group="g", error_type="E", job="flowtrail", '
        'instance="a"}': [None] * 15 + [3] * 5 + [4] * 10 + [9] * 10,
    }
    tests = []
    for scrape in range(15, 40):
        rose = {15: 3, 20: 1, 30: 5}.get(scrape, 0)
        test = expected(history, graph["targets"][0]["expr"], [{"labels": '{error_type="E"}', "value": rose}])
        test["promql_expr_test"][0]["eval_time"] = f"{scrape * SCRAPE_SECONDS}s"
        tests.append(test)
    assert checked(promtool, tmp_path, tests) == ""


def _at_the_end(expression: str, series: dict[str, Any], samples: list[dict[str, Any]]) -> dict[str, Any]:
    return expected(History(30, series), expression, samples)


@pytest.mark.servers
def test_while_no_collector_answers_nothing_is_called_fine(promtool: str, tmp_path: Path) -> None:
    """Every figure of the collector's, and every line, is gone with it, but for how many answer: none."""
    tests = []
    for name, board in DASHBOARDS.items():
        if name == "flowtrail-services":
            continue
        for panel in panels(board):
            if panel["title"] in ("Up", "Scrape", "Series") or "ALERTS" in str(panel["targets"]):
                continue
            for target in panel["targets"]:
                samples = [{"labels": "{}", "value": 0}] if "vector(0)" in target["expr"] else []
                tests.append(_at_the_end(target["expr"], _gone(target["expr"]), samples))
    assert len(tests) > 80
    assert checked(promtool, tmp_path, tests) == ""


def _gone(expression: str) -> dict[str, Any]:
    """Everything that a query asks for, as if a collector had been there until a while ago."""
    there: list[int | None] = [1] * 4 + [None] * 36
    names = set(re.findall(r"\b((?:flowtrail|kafka)_\w+)\{", expression)) | {"flowtrail_collector_info"}
    labels = 'job="flowtrail", instance="a", flow="f", group="rabbitmq:g", topic="t", queue="g", le="+Inf", kind="memory"'
    down: list[int | None] = [int(minute < 4) for minute in range(40)]
    return {f"{name}{{{labels}}}": there for name in names} | {'up{job="flowtrail", instance="a"}': down}


@pytest.mark.servers
@pytest.mark.parametrize(
    ("title", "metric"),
    [("Up", "up"), ("Scrape", "scrape_duration_seconds"), ("Series", "scrape_samples_scraped")],
)
def test_of_all_targets_only_collectors_are_shown(
    promtool: str, tmp_path: Path, title: str, metric: str
) -> None:
    """Also one that is down, and none of the services'."""
    [panel] = [panel for panel in panels(DASHBOARDS["flowtrail-collector"]) if panel["title"] == title]
    series: dict[str, Any] = {
        f'{metric}{{job="flowtrail", instance="a"}}': [1] * 40,
        f'{metric}{{job="flowtrail", instance="b"}}': [1] * 20 + [0] * 20,
        f'{metric}{{job="billing", instance="c"}}': [1] * 40,
        'flowtrail_collector_info{job="flowtrail", instance="a"}': [1] * 40,
        'flowtrail_collector_info{job="flowtrail", instance="b"}': [1] * 20 + [None] * 20,
    }
    samples = [{"labels": '{instance="a"}', "value": 1}, {"labels": '{instance="b"}', "value": 0}]
    wrong = checked(promtool, tmp_path, [_at_the_end(panel["targets"][0]["expr"], series, samples)])
    assert wrong == ""


@pytest.mark.servers
def test_only_who_is_behind_has_to_catch_up(promtool: str, tmp_path: Path) -> None:
    [panel] = [panel for panel in panels(DASHBOARDS["flowtrail-lag"]) if panel["title"] == "Time to catch up"]
    series: dict[str, Any] = {}
    for group, waits, rest in (
        ("healthy", [0] * 40, [0] * 36 + [540, 0, 300, 540]),
        ("behind", [60] * 40, [100] * 40),
        ("losing", [60] * 40, ["+Inf"] * 40),
    ):
        labels = f'job="flowtrail", instance="a", group="{group}", topic="t"'
        series[f"flowtrail_group_topic_max_lag_seconds{{{labels}}}"] = waits
        series[f"flowtrail_group_catch_up_seconds{{{labels}}}"] = rest
    samples = [
        {"labels": '{group="behind", topic="t"}', "value": 100},
        {"labels": '{group="healthy", topic="t"}', "value": 0},
    ]
    wrong = checked(promtool, tmp_path, [_at_the_end(panel["targets"][0]["expr"], series, samples)])
    assert wrong == ""


@pytest.mark.servers
def test_a_service_hands_on_its_group_as_the_collector_calls_it(promtool: str, tmp_path: Path) -> None:
    [panel] = [
        panel
        for panel in panels(DASHBOARDS["flowtrail-services"])
        if (panel["title"], panel["type"]) == ("Consumed", "timeseries")
    ]
    of = 'job="billing", instance="b", messaging_destination_name="orders", messaging_consumer_group_name="billing-2"'
    counted: list[int | None] = [15 * number for number in range(40)]
    series: dict[str, Any] = {
        f'messaging_client_consumed_messages_total{{{of}, messaging_system="{system}"}}': counted
        for system in ("kafka", "rabbitmq")
    }
    samples = [
        {"labels": f'{{job="billing", messaging_consumer_group_name="{group}"}}', "value": 1}
        for group in ("billing-2", "rabbitmq:orders.billing-2")
    ]
    wrong = checked(promtool, tmp_path, [_at_the_end(panel["targets"][0]["expr"], series, samples)])
    assert wrong == ""


def _counted_in_the_range() -> Iterator[tuple[str, str, str]]:
    for name, board in DASHBOARDS.items():
        for panel in panels(board):
            for target in panel["targets"]:
                if re.search(r"_total\{[^}]*\}(\[\$__range|\)? offset)", target["expr"]):
                    yield name, panel["title"], target["expr"]


def test_nothing_is_scaled_up() -> None:
    """Increases are shares of a whole window, which only quotients and quantiles may be made of."""
    counted = list(_counted_in_the_range())
    assert len(counted) > 15
    scaled_up = [
        (name, title) for name, title, expression in counted if re.search(r"increase\(\w+_total", expression)
    ]
    assert scaled_up == []


def test_whole_numbers_are_shown_whole() -> None:
    """A count in the time range has no decimals, wherever Grafana would add some."""
    for name, title, _ in _counted_in_the_range():
        [panel] = [
            each
            for each in panels(DASHBOARDS[name])
            if each["title"] == title and any("_total" in target["expr"] for target in each["targets"])
        ][:1]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if panel["type"] in ("bargauge", "timeseries") and unit == "short":
            assert panel["fieldConfig"]["defaults"]["decimals"] == 0, (name, title)
