"""A test that sets up logging leaves none of it behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KITS = Path(__file__).parents[1] / "kits"
TESTS = """
import atexit, logging, sys, threading

def test_sets_up():
    logging.basicConfig(level="DEBUG", stream=sys.stderr, force=True)
    logging.info("heard")

def test_after(caplog):
    logging.warning("in between")
    assert "in between" in caplog.text
    assert logging.getLogger().level == logging.WARNING

def test_leaves_a_thread():
    threading.Thread(target=lambda: (threading.main_thread().join(), logging.warning("at the end"))).start()
"""


@pytest.mark.slow
def test_nothing_is_logged_to_a_stream_that_is_closed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from harness.logs import Logs\n\n"
        "def pytest_configure(config):\n    config.pluginmanager.register(Logs())\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
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
    assert "3 passed" in done.stdout
    assert "at the end" in done.stderr
    assert "Logging error" not in done.stdout + done.stderr
