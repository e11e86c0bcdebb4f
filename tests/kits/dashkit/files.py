"""The dashboards and rules under test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[3]
GRAFANA = REPOSITORY / "dashboards" / "grafana"
RULES = REPOSITORY / "dashboards" / "prometheus"
RULE_FILES = tuple(sorted(RULES.glob("*.yml")))
RULE_TESTS = tuple(sorted((RULES / "tests").glob("*.yml")))
RUNBOOKS = REPOSITORY / "docs" / "alerts"

DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(GRAFANA.glob("*.json"))
}


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Its panels, without the rows between them; those of folded rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def load_yaml(path: Path) -> Any:
    """A YAML file as plain data."""
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def rules() -> Iterator[dict[str, Any]]:
    """All rules, recording and alerting."""
    for path in RULE_FILES:
        for group in load_yaml(path)["groups"]:
            yield from group["rules"]


def alerts() -> dict[str, dict[str, Any]]:
    """Alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}
