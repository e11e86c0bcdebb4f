"""Every field of the dashboards is one that Grafana's own schema knows, with a type it takes.

grafana-foundation-sdk's types are generated from Grafana's schema. They drop what they don't know and keep what
they do, so a dashboard that comes out of them as it went in has nothing in it that Grafana would not read.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from dashkit.files import DASHBOARDS, panels, variables
from servers import servers_required

_PANEL_OPTIONS = {
    "stat": "stat",
    "timeseries": "timeseries",
    "heatmap": "heatmap",
    "state-timeline": "statetimeline",
    "bargauge": "bargauge",
    "table": "table",
    "nodeGraph": "nodegraph",
}
# Grafana's Prometheus data source reads these of an annotation; the schema of dashboards leaves them to it.
# packages/grafana-prometheus/src/types.ts
_OF_PROMETHEUS = {"step", "tagKeys", "textFormat", "titleFormat"}
# Names of Grafana's own transformations, packages/grafana-data/src/transformations/transformers/ids.ts
_TRANSFORMATIONS = {"merge", "organize"}


@pytest.fixture(scope="module")
def sdk() -> Any:
    """grafana-foundation-sdk."""
    if not servers_required():
        pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")
    plugins = importlib.import_module("grafana_foundation_sdk.cog.plugins")
    plugins.register_default_plugins()
    return importlib.import_module("grafana_foundation_sdk.models.dashboard")


@pytest.mark.parametrize("name", DASHBOARDS)
def test_nothing_is_lost_in_grafanas_types(sdk: Any, name: str) -> None:
    encoder = importlib.import_module("grafana_foundation_sdk.cog.encoder")
    board = sdk.Dashboard.from_json(DASHBOARDS[name])
    assert board.schema_version == sdk.Dashboard().schema_version
    again = json.loads(json.dumps(board, cls=encoder.JSONEncoder))
    lost = list(_lost(DASHBOARDS[name], again, "dashboard"))
    assert lost == [f"dashboard.annotations.list[1].{field}" for field in sorted(_OF_PROMETHEUS)]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_options_and_queries_are_read_by_their_own_types(sdk: Any, name: str) -> None:
    board = sdk.Dashboard.from_json(DASHBOARDS[name])
    rows = (panel.panels if panel.type_val == "row" else [panel] for panel in board.panels)
    for panel in (panel for row in rows for panel in row):
        expected = f"grafana_foundation_sdk.models.{_PANEL_OPTIONS[panel.type_val]}"
        assert type(panel.options).__module__ == expected, panel.title
        for target in panel.targets:
            assert type(target).__module__ == "grafana_foundation_sdk.models.prometheus", panel.title


@pytest.mark.parametrize("name", DASHBOARDS)
def test_words_are_among_those_that_grafana_knows(sdk: Any, name: str) -> None:
    board = DASHBOARDS[name]
    for variable in variables(board).values():
        assert variable["type"] in {member.value for member in sdk.VariableType}
    for panel in panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        if "color" in defaults:
            assert defaults["color"]["mode"] in {member.value for member in sdk.FieldColorModeId}
        assert defaults["thresholds"]["mode"] in {member.value for member in sdk.ThresholdsMode}
        assert {each["id"] for each in panel.get("transformations", [])} <= _TRANSFORMATIONS
        for mapping in defaults["mappings"]:
            assert mapping["type"] in {member.value for member in sdk.MappingType}


def _lost(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{path}.{key}"
            else:
                yield from _lost(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _lost(one, other, f"{path}[{number}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"
