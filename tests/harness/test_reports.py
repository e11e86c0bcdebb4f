"""Whatever a test does, its failure is an ordinary one, and the others run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KITS = Path(__file__).parents[1] / "kits"
CONFTEST = """
from harness.reports import Reports

def pytest_configure(config):
    config.pluginmanager.register(Reports())
"""
# Python 3.11 can't parse while it parses, which is what warnings about garbage come to.
BROWSER = """
import ast, gc
import pytest
from playwright.sync_api import sync_playwright

parsing = False

def parse(phase, info):
    global parsing
    if phase == "start" and not parsing:
        parsing = True
        ast.parse("f(1)\\n" * 3)
        parsing = False

@pytest.fixture(scope="module")
def playwright():
    usual = gc.get_threshold()
    with sync_playwright() as started:
        gc.set_threshold(10)
        gc.callbacks.append(parse)
        yield started
        gc.callbacks.remove(parse)
        gc.set_threshold(*usual)

@pytest.mark.parametrize("number", range(5))
def test_that_fails(playwright, number):
    assert playwright.chromium.name == {"number": number}

def test_another():
    pass
"""


def run(folder: Path, text: str, conftest: str = CONFTEST) -> "subprocess.CompletedProcess[str]":
    (folder / "conftest.py").write_text(conftest)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        env={
            **os.environ,
            "PYTHONPATH": str(KITS),
            "PYTEST_ADDOPTS": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_test_that_fails_in_a_browser(tmp_path: Path) -> None:
    done = run(tmp_path, BROWSER)
    assert done.returncode == 1, done.stdout
    assert "INTERNALERROR" not in done.stdout
    assert "assert 'chromium' == {'number': 4}" in done.stdout
    assert "5 failed, 1 passed" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("error", ["RecursionError", "SystemError", "ValueError"])
def test_a_failure_that_cannot_be_shown(tmp_path: Path, error: str) -> None:
    conftest = (
        CONFTEST
        + f"""
import pytest

def pytest_collection_modifyitems(items):
    def fails(excinfo):
        raise {error}("while it is shown")
    items[0].repr_failure = fails
"""
    )
    done = run(
        tmp_path, "def test_that_fails():\n    assert 1 == 2\n\ndef test_another():\n    pass\n", conftest
    )
    assert done.returncode == 1, done.stdout
    assert "INTERNALERROR" not in done.stdout
    assert "test_it.py:2: in test_that_fails" in done.stdout
    assert "AssertionError: assert 1 == 2" in done.stdout
    assert f"{error} while this report was written: while it is shown" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
