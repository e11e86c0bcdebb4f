"""What we depend on may not change under our users."""

from __future__ import annotations

import tomllib
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from dashkit.files import REPOSITORY, load_yaml
from flowtrail.instrumentor import AIOKafkaInstrumentor, ConfluentKafkaInstrumentor, KafkaPythonInstrumentor

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [
    Requirement(line) for line in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
]
CLIENTS = {"kafka-python", "confluent-kafka", "aiokafka"}


def _next_major(requirement: Requirement) -> str:
    (least,) = [one.version for one in requirement.specifier if one.operator == ">="]
    return str(Version(least).major + 1)


@pytest.mark.parametrize(
    "name", [*sorted(CLIENTS), *(Requirement(line).name for line in PROJECT["dependencies"])]
)
def test_what_the_library_stands_on_is_capped_below_its_next_major(name: str) -> None:
    found = [requirement for requirement in REQUIREMENTS if requirement.name == name]
    assert found
    for requirement in found:
        assert not requirement.specifier.contains(_next_major(requirement)), str(requirement)


@pytest.mark.parametrize("kind", [KafkaPythonInstrumentor, ConfluentKafkaInstrumentor, AIOKafkaInstrumentor])
def test_an_instrumentor_takes_every_version_that_the_extra_takes_and_no_next_major(kind: type) -> None:
    (line,) = kind().instrumentation_dependencies()
    patched = Requirement(line)
    for extra in [one for one in REQUIREMENTS if one.name == patched.name]:
        (least,) = [one.version for one in extra.specifier if one.operator == ">="]
        assert patched.specifier.contains(least)
        assert not patched.specifier.contains(_next_major(extra))


def test_every_client_is_tried_before_it_is_released() -> None:
    workflow = load_yaml(REPOSITORY / ".github" / "workflows" / "prereleases.yml")
    assert set(workflow["jobs"]["clients"]["strategy"]["matrix"]["client"]) == CLIENTS
    assert "schedule" in workflow.get("on", workflow.get(True))
