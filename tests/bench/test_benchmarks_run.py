"""Benchmarks are run by hand; that they still can be is seen here."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(
    path.stem for path in (ROOT / "bench").glob("*.py") if "ArgumentParser" in path.read_text("utf-8")
)
SMALL = {
    "instrumentation": ("--messages", "5", "--rounds", "4"),
    "instrumentation_profile": ("--calls", "5", "--rounds", "2"),
    "instrumentation_soak": ("--sets", "50", "--messages", "500"),
}


def run(name: str, *arguments: str, cwd: Path) -> str:
    path = [str(ROOT / "tests" / "kits"), str(ROOT / "tests"), str(ROOT)]
    code = (
        f"import sys, runpy; sys.path[:0] = {path!r}; runpy.run_module('bench.{name}', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_its_command_line_answers(name, tmp_path):
    assert "--" in run(name, "--help", cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_it_measures(name, tmp_path):
    assert run(name, *SMALL[name], cwd=tmp_path)
