"""Wheel and source distribution: what is in them, and that they work where nothing else is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tools.docs.blocks import ROOT
from waiting import scaled

pytestmark = [pytest.mark.servers, pytest.mark.slow]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", str(folder), cwd=ROOT)
    return folder


def run(*command: str, cwd: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=scaled(170), env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_the_two_packages_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    roots = {name.split("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"flowtrail", "flowtrail_collector"}
    assert {"flowtrail/py.typed", "flowtrail_collector/py.typed"} <= set(names)
    assert any(name.endswith("console.css") for name in names)
    assert any(name.endswith("LICENSE") for name in names)


def test_the_source_distribution_can_be_tested(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile"} <= names
    assert {name.split("/")[0] for name in names} >= {"instrumentation", "collector", "demo", "tests", "docs"}
    assert not any(".venv" in name or name.startswith("build/") for name in names)


@pytest.mark.slow(30)
def test_it_works_where_nothing_else_is_installed(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "clean", with_pip=True)
    python, command = (str(tmp_path / "clean" / "bin" / name) for name in ("python", "flowtrail"))
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[collector]")
    version = run(python, "-c", "import flowtrail; print(flowtrail.__version__)", cwd=tmp_path).strip()
    assert version in run(command, "--version", cwd=tmp_path)
    flows = tmp_path / "flows.yaml"
    flows.write_text("flows: {order: {starts: Placed, completes: Shipped, steps: {ship: {done: Shipped}}}}\n")
    assert "order" in run(command, "flows", "check", str(flows), cwd=tmp_path)
    found = run(
        python,
        "-c",
        "from importlib.metadata import entry_points as e; print(*[p.name for p in e(group='opentelemetry_instrumentor')])",
        cwd=tmp_path,
    )
    assert "flowtrail-kafka-python" in found
