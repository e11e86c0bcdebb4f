"""The quick run: it leaves out what isn't quick, and refuses what costs more than it may."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.quick import Quick
from waiting import scaled

pytestmark = pytest.mark.slow

KITS = Path(__file__).parents[1] / "kits"
CONFTEST = """
from harness import quick

quick.CPU_SECONDS, quick.WAIT_SECONDS, quick.BUDGET_SECONDS = 0.3, {wait}, {budget}

def pytest_addoption(parser):
    parser.addoption(quick.OPTION, action="store_true")

def pytest_configure(config):
    for name in ("slow", "servers"):
        config.addinivalue_line("markers", name)
    if config.getoption(quick.OPTION):
        config.pluginmanager.register(quick.Quick())
"""
TESTS = """
import subprocess, sys, threading, time
import pytest
from harness import quick

WORK = "import time\\nwhile time.process_time() < 0.6: pass"

def work():
    until = time.process_time() + 0.6
    while time.process_time() < until:
        pass

@pytest.fixture
def dear():
    work()

def test_cheap():
    pass

def test_that_works():
    work()

def test_whose_fixture_works(dear):
    pass

def test_whose_process_works():
    subprocess.run([sys.executable, "-c", WORK], check=True)

def test_that_waits():
    threading.Event().wait(quick.WAIT_SECONDS * 1.5)

def test_that_fails():
    work()
    assert False, "for a reason of its own"

@pytest.mark.slow
def test_slow():
    work()

@pytest.mark.slow(5)
def test_slow_and_how():
    work()

@pytest.mark.servers
def test_with_a_server():
    work()
"""
REFUSED = {
    "test_that_works": "s of the processor, more than a quick test may (0.3 s x 1.0)",
    "test_whose_fixture_works": "s of the processor, more than a quick test may (0.3 s x 1.0)",
    "test_whose_process_works": "s of the processor, more than a quick test may (0.3 s x 1.0)",
    "test_that_waits": "s, more than a quick test may",
    "test_that_fails": "for a reason of its own",
}


def run(folder: Path, *arguments: str, budget: float = 1000, slowness: str = "1") -> tuple[int, str]:
    (folder / "conftest.py").write_text(CONFTEST.format(wait=scaled(1.0), budget=budget))
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(KITS),
            "PYTEST_ADDOPTS": "",
            "FLOWTRAIL_TEST_SLOWNESS": slowness,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_what_costs_too_much_is_refused_with_what_to_do(tmp_path: Path, workers: tuple[str, ...]) -> None:
    code, output = run(tmp_path, "--quick", *workers)
    assert code == 1
    for name, reason in REFUSED.items():
        assert f"FAILED test_it.py::{name}" in output
        assert reason in output
    assert f"{len(REFUSED)} failed, 1 passed" in output
    assert output.count("make it cheaper, or mark it `slow` (CONTRIBUTING.md)") >= len(REFUSED) - 1


def test_a_slow_machine_is_allowed_more(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--quick", "--deselect", "test_it.py::test_that_fails", slowness="20")
    assert code == 0, output
    assert "5 passed" in output


@pytest.mark.parametrize(
    "marked",
    ["pytest.mark.slow", "pytest.mark.slow(5)", "pytest.mark.servers", "[pytest.mark.timeout(9), pytest.mark.slow]",
     "[\n    pytest.mark.timeout(9),\n    pytest.mark.servers,\n]"],
)  # fmt: skip
def test_what_is_left_out_as_a_whole_is_not_imported(tmp_path: Path, marked: str) -> None:
    text = f"import pytest\n\npytestmark = {marked}\n"
    left_out = {
        text: True,
        text.replace("slow", "timeout").replace("servers", "timeout"): None,
        text.replace("pytestmark", "PARTS"): None,
    }
    path = tmp_path / "test_it.py"
    for code, expected in left_out.items():
        path.write_text(code)
        assert Quick().pytest_ignore_collect(path) is expected


def test_without_the_option_all_runs_and_nothing_is_refused(tmp_path: Path) -> None:
    _, output = run(tmp_path)
    assert "1 failed, 8 passed" in output
    assert "quick:" not in output


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_a_run_over_its_budget_fails_and_names_the_most_expensive(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    code, output = run(tmp_path, "--quick", "-k", "cheap", *workers, budget=1e-9)
    assert code == 1
    assert "1 passed" in output
    _, told, names = output.partition("too much for `make test-quick`; the most expensive:")
    assert told
    assert "test_it.py::test_cheap" in names
