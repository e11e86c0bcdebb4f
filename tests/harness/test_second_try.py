"""CI tries once more only what ran and failed; whatever else ends a run ends CI."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.second_try import MOST, main

pytestmark = pytest.mark.slow

KITS = Path(__file__).parents[1] / "kits"
CONFTEST = """
from pathlib import Path
from harness.outcome import Outcome

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcome(Path("outcome.json")))
"""
FAILS = "def test_fails():\n    assert 1 == 2\n\ndef test_holds():\n    pass\n"


def tried(folder: Path, test: str, *options: str, conftest: str = "") -> int:
    """Run pytest on a test file with another that holds, then ask for a second try."""
    (folder / "conftest.py").write_text(CONFTEST + conftest)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(test)
    (folder / "test_other.py").write_text("def test_other():\n    pass\n")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist", *options],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(KITS),
            "PYTEST_ADDOPTS": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        check=False,
    )
    return main(folder / "outcome.json", folder / "names")


@pytest.mark.parametrize("options", [(), ("-n1",)], ids=["alone", "workers"])
@pytest.mark.parametrize(
    ("test", "name"),
    [
        (FAILS, "test_it.py::test_fails"),
        (
            "import pytest\n\n@pytest.fixture\ndef broken():\n    1 / 0\n\ndef test_fails(broken):\n    pass\n",
            "test_it.py::test_fails",
        ),
        (
            "import pytest\n\n@pytest.mark.parametrize('a', ['b c'])\ndef test_fails(a):\n    1 / 0\n",
            "test_it.py::test_fails[b c]",
        ),
    ],
    ids=["call", "setup", "parameter"],
)
def test_what_ran_and_failed_is_named(tmp_path, capsys, options, test, name):
    assert tried(tmp_path, test, *options) == 0
    assert (tmp_path / "names").read_text() == f"{name}\n"
    assert f"for 1 of at most {MOST}:\n  {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("test", "options", "conftest", "reason"),
    [
        ("import nowhere\n", (), "", "can't be collected"),
        ("import nowhere\n", ("-n1",), "", "can't be collected"),
        (FAILS, ("--no-such-option",), "", "before it could say"),
        (FAILS, ("-n1",), "\nimport os\n\ndef pytest_runtest_teardown():\n    os._exit(3)\n", "crashed in"),
        (FAILS, (), "\n\ndef pytest_runtest_teardown():\n    raise KeyboardInterrupt\n", "exit code 2"),
        (FAILS, (), "\n\ndef pytest_runtest_logreport():\n    1 / 0\n", "pytest itself failed: .*ZeroDivision"),
        (FAILS, ("-k", "nothing"), "", "exit code 5"),
        ("def test_holds():\n    pass\n", (), "", "exit code 0"),
        (
            f"import pytest\n\n@pytest.mark.parametrize('n', range({MOST + 1}))\ndef test_fails(n):\n    1 / 0\n",
            (), "", f"{MOST + 1} tests failed",
        ),
    ],
    ids=["collection", "collection-workers", "usage", "crash", "interrupt", "internal", "none", "held", "many"],
)  # fmt: skip
def test_nothing_else_is_tried_again(tmp_path, capsys, test, options, conftest, reason):
    assert tried(tmp_path, test, *options, conftest=conftest) == 1
    assert re.search(f"no second try: .*{reason}", capsys.readouterr().err)
    assert not (tmp_path / "names").exists()
