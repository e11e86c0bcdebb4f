"""Limits grow with the machine's slowness, and only limits."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import Deadline, _slowness, scaled, slowness, until, wait_for

KITS = Path(__file__).parents[1] / "kits"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(_slowness.VARIABLE, raising=False)
    monkeypatch.setattr(_slowness._Measured, "factor", 0.0)
    _slowness._told.cache_clear()
    yield
    _slowness._told.cache_clear()


def test_a_factor_that_is_told_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_slowness.VARIABLE, "2.5")
    assert (slowness(), slowness(anew=True), scaled(4)) == (2.5, 2.5, 10)


@pytest.mark.parametrize("text", ["fast", "0.5", "-1", "nan", "inf"])
def test_a_senseless_factor_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(_slowness.VARIABLE, text)
    with pytest.raises(ValueError, match=r"FLOWTRAIL_TEST_SLOWNESS is .*set it to a number of at least 1"):
        slowness()


def test_it_is_measured_between_one_and_the_cap() -> None:
    assert 1 <= slowness() <= _slowness.MOST


@pytest.mark.slow
def test_work_that_takes_longer_makes_it_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_slowness, "_work", lambda: time.sleep(5 * _slowness._ROUND_SECONDS))
    assert 5 <= slowness() <= _slowness.MOST
    monkeypatch.setattr(_slowness, "_work", lambda: time.sleep(2))
    began = time.monotonic()
    assert slowness(anew=True) == _slowness.MOST
    assert time.monotonic() - began < scaled(3), "measuring is short even then"


def test_a_machine_that_becomes_slow_gets_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_slowness, "measure", lambda: 1.0)
    deadline = Deadline(0.1)
    monkeypatch.setattr(_slowness, "measure", lambda: 1_000.0)
    time.sleep(0.15)
    assert not deadline.passed
    assert 90 < deadline.left_seconds < 100


def test_a_condition_that_holds_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_slowness, "measure", lambda: pytest.fail("nothing needs to be measured"))
    _slowness._Measured.factor = 3.0
    assert wait_for(lambda: True, 60)
    assert until(lambda: "what it returned") == "what it returned"


def test_a_condition_that_never_holds_says_what_was_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_slowness, "measure", lambda: 1.0)
    assert not wait_for(lambda: False, 0.01)
    with pytest.raises(AssertionError, match=r"waited 0\.01 s \(x 1\.0\) in vain for \['seen'\]"):
        until(lambda: 0, lambda: ["seen"], 0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mark", "option", "limit"),
    [
        ("", (), "9.0"),
        ("@pytest.mark.timeout(5)", (), "15.0"),
        ("@pytest.mark.timeout(timeout=5, method='thread')", (), "15.0"),
        ("@pytest.mark.timeout(0)", (), "0.0"),
        ("", ("--timeout", "7"), "7.0"),
    ],
    ids=["usual", "mark", "keyword", "none", "command-line"],
)
def test_pytests_own_limit_grows_too(tmp_path: Path, mark: str, option: tuple[str, ...], limit: str) -> None:
    (tmp_path / "conftest.py").write_text(
        "from harness.limits import Limits\n\n"
        "def pytest_configure(config):\n    config.pluginmanager.register(Limits())\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\ntimeout = 3\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\nfrom pytest_timeout import _get_item_settings\n\n"
        f"{mark}\ndef test_it(request):\n    print('limit', _get_item_settings(request.node).timeout)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-p", "pytest_timeout", "-p", "no:cacheprovider", *option],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(KITS),
            "PYTEST_ADDOPTS": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "FLOWTRAIL_TEST_SLOWNESS": "3",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"limit {limit}\n" in done.stdout, done.stdout
    assert "limits: multiplied by 3.0 (FLOWTRAIL_TEST_SLOWNESS)" in done.stdout
