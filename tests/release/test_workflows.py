"""GitHub's workflows: by GitHub's schema, and by rules of our own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema

from dashkit.files import REPOSITORY, load_yaml

FOLDER = REPOSITORY / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def _complaints(schema: str, workflow: dict[str, Any]) -> list[str]:
    """What a schema that check-jsonschema brings along says against a workflow."""
    found = jsonschema.Draft7Validator(get_builtin_schema(schema)).iter_errors(workflow)
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in found]


def _steps() -> list[tuple[str, dict[str, Any]]]:
    return [
        (path.name, step)
        for path in WORKFLOWS
        for job in load_yaml(path)["jobs"].values()
        for step in job["steps"]
    ]


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_the_schema_of_workflows(schema: str) -> None:
    assert len(WORKFLOWS) == 3
    for path in WORKFLOWS:
        assert _complaints(schema, load_yaml(path)) == []


def test_the_schema_sees_a_mistake() -> None:
    workflow = load_yaml(WORKFLOWS[0])
    job = next(iter(workflow["jobs"].values()))
    job["run-on"] = job.pop("runs-on")
    assert _complaints("vendor.github-workflows", workflow) != []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits(path: Path) -> None:
    used = re.findall(r"uses: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    pins = [re.fullmatch(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # v\d+(?:\.\d+)*", line) for line in used]
    assert [line for line, pin in zip(used, pins, strict=True) if pin is None] == []


def test_an_action_has_the_same_commit_everywhere() -> None:
    used = {step["uses"] for _, step in _steps() if "uses" in step}
    assert len({text.partition("@")[0] for text in used}) == len(used)


def test_nothing_may_do_more_than_it_needs() -> None:
    for path in WORKFLOWS:
        workflow = load_yaml(path)
        assert workflow["permissions"] == {"contents": "read"}
        granted = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
        # Publishing proves who it is to the index, and reads nothing of the repository.
        assert granted == ({"publish": {"id-token": "write"}} if path.name == "release.yml" else {})
    assert all(
        step["with"]["persist-credentials"] is False
        for _, step in _steps()
        if step.get("uses", "").startswith("actions/checkout@")
    )
    assert "secrets." not in "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)


def test_what_they_run_is_there() -> None:
    for name, step in _steps():
        for line in step.get("run", "").splitlines():
            for target in re.findall(r"\bmake ([a-z-]+)", line):
                assert f"\n{target}:" in MAKEFILE, (name, target)
            for word in re.findall(r"(?:^|\s)((?:\.ci|tests)/[\w/.-]+)", line):
                assert (REPOSITORY / word).exists(), (name, word)
