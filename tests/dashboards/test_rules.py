"""The rules: valid, each alert tested firing and quiet, each with its page of what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from dashkit.files import RULE_FILES, RULE_TESTS, RULES, RUNBOOKS, alerts, load_yaml, rules

ALERTS = alerts()


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


@pytest.mark.servers
def test_promtool_accepts_the_rules(promtool: str) -> None:
    checked = _run(promtool, "check", "rules", *RULE_FILES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.servers
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_promtool_unit_tests(promtool: str, path: Path) -> None:
    tested = _run(promtool, "test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_tested_both_ways() -> None:
    firing: set[str] = set()
    quiet: set[str] = set()
    for path in RULE_TESTS:
        for test in load_yaml(path)["tests"]:
            for item in test["alert_rule_test"]:
                (firing if item.get("exp_alerts") else quiet).add(item["alertname"])
    assert firing == quiet == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_what_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/alerts/{name}.md"
    page = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    for heading in ("## What it means", "## What to look at", "## What to do"):
        assert heading in page
    assert f"severity: {rule['labels']['severity']}" in page.lower()


def test_there_is_no_page_without_an_alert() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"index"}
    assert pages == set(ALERTS)
    index = (RUNBOOKS / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+)\.md\)", index)) == set(ALERTS)


def test_rules_read_only_series_that_are_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in re.findall(r"\b\w+:\w+:\w+\b", rule["expr"])}
    assert used <= recorded
    assert RULES.is_dir()
