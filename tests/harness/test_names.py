"""Names of tests are the same in every process and at any time, or workers couldn't share them out."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow(40)

REPOSITORY = Path(__file__).parents[2]


def _collecting(hash_seed: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTEST_ADDOPTS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _names(collecting: "subprocess.Popen[str]") -> list[str]:
    output, _ = collecting.communicate()
    assert collecting.returncode == 0, output[-3000:]
    return [line for line in output.splitlines() if "::" in line]


def test_names_depend_neither_on_the_clock_nor_on_the_order_of_sets() -> None:
    first = _collecting("1")
    time.sleep(1.1)  # what a name may take from the clock has changed by now, whole seconds included
    second = _collecting("2")
    names = _names(first)
    assert names == _names(second)
    assert len(names) > 1000
    assert len(names) == len(set(names))
