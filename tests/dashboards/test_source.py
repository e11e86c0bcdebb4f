"""The dashboards are what their source makes, and what they refer to is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from dashkit.files import DASHBOARDS, GRAFANA, REPOSITORY, panels, variables

_GLOBAL = {
    "__rate_interval",
    "__range",
    "__interval",
    "__url_time_range",
    "__field",
    "__data",
    "__value",
    "__all",
}


def test_the_files_are_what_the_source_makes() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "dashboards.source", "--check"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (check.returncode, check.stderr) == (0, "")


def test_there_are_the_six() -> None:
    titles = {name: board["title"] for name, board in DASHBOARDS.items()}
    assert titles == {
        "flowtrail-overview": "flowtrail / Overview",
        "flowtrail-flow": "flowtrail / Flow",
        "flowtrail-lag": "flowtrail / Consumer lag",
        "flowtrail-dead-letters": "flowtrail / Dead letters",
        "flowtrail-services": "flowtrail / Services",
        "flowtrail-collector": "flowtrail / Collector",
    }
    assert {board["uid"] for board in DASHBOARDS.values()} == {path.stem for path in GRAFANA.glob("*.json")}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    board = DASHBOARDS[name]
    rows = [panel for panel in board["panels"] if panel["type"] == "row"]
    assert max(Counter(panel["id"] for panel in [*rows, *panels(board)]).values()) == 1
    # As it is opened, and each folded row with what it unfolds.
    for together in (board["panels"], *([row, *row["panels"]] for row in rows)):
        cells = Counter(
            (x, y)
            for place in (panel["gridPos"] for panel in together)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        )
        assert max(cells.values()) == 1
        assert all(0 <= x < 24 for x, _ in cells)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_used_is_declared_and_every_declared_one_used(name: str) -> None:
    board = DASHBOARDS[name]
    text = json.dumps(board)
    used = set(re.findall(r"\$\{?([A-Za-z_]\w*)", text)) - _GLOBAL
    declared = set(variables(board))
    assert used == declared


@pytest.mark.parametrize("name", DASHBOARDS)
def test_links_lead_to_dashboards_and_variables_that_exist(name: str) -> None:
    for url in _urls(DASHBOARDS[name]):
        found = re.match(r"/d/([\w-]+)\?(?:var-(\w+)=)?", url)
        if found is not None:
            target = DASHBOARDS[found[1]]
            handed_on = {found[2]} - {None} | set(re.findall(r"\$\{(\w+):queryparam\}", url))
            assert handed_on <= set(variables(target)), url
        else:
            assert url.startswith(("${console}", "${jaeger}")), url


@pytest.mark.parametrize("name", DASHBOARDS)
def test_there_are_links_into_the_console(name: str) -> None:
    assert any(url.startswith("${console}") for url in _urls(DASHBOARDS[name]))


def test_exemplars_are_asked_for_where_there_are_histograms() -> None:
    asked = {
        name
        for name, board in DASHBOARDS.items()
        for panel in panels(board)
        for target in panel["targets"]
        if target.get("exemplar")
    }
    assert asked == {"flowtrail-flow", "flowtrail-overview"}


def _urls(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["url"]] if part.get("url") else []
        return own + [url for value in part.values() for url in _urls(value)]
    return [url for value in part for url in _urls(value)] if isinstance(part, list) else []
