"""What tests need is fetched before the first of them, once, and only what they need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.fetching import needs
from servers import DOWNLOADS, UnavailableError, _download
from servers._download import Download, FetchedInATestError

pytestmark = pytest.mark.slow

KITS = Path(__file__).parents[1] / "kits"
# A run with one thing to fetch, which takes a while and counts how often it happens.
CONFTEST = """
import os, time
from pathlib import Path
from harness import fetching
from servers import UnavailableError, _download

HERE = Path(__file__).parent
_download.CACHE = HERE / "cache"

def fill(part):
    with (HERE / "fetched").open("a") as count:
        count.write("once\\n")
    if (HERE / "offline").exists():
        raise UnavailableError("nobody answers")
    (part / "first").touch()
    time.sleep(0.5)
    (part / "entry").touch()

THING = _download.Download("a thing", "thing-1", "entry", ("sh",), fill)
fetching.DOWNLOADS = {"thing": THING, "other": _download.Download("another", "other-1", "entry", ("sh",), fill)}
fetching.FETCHED_BY_FIXTURE = {"thing": "thing"}

def pytest_configure(config):
    config.addinivalue_line("markers", fetching.MARK)
    config.pluginmanager.register(fetching.Fetching(config))
"""
TESTS = """
import time
import pytest
from conftest import HERE, THING, UnavailableError

@pytest.fixture
def thing():
    try:
        return THING.get()
    except UnavailableError as error:
        pytest.skip(str(error))

def test_with_it(thing):
    assert (thing.parent / "first").exists()

@pytest.mark.parametrize("by_name", ["thing"])
def test_by_name(by_name, request):
    request.getfixturevalue(by_name)

@pytest.mark.fetches("thing")
def test_by_mark():
    THING.get()

def test_without():
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    (tmp_path / "test_one.py").write_text(TESTS)
    (tmp_path / "test_two.py").write_text(TESTS)
    return tmp_path


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "PYTHONPATH": str(KITS),
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "xdist", *options]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def fetched(folder: Path) -> int:
    count = folder / "fetched"
    return len(count.read_text().splitlines()) if count.exists() else 0


@pytest.mark.parametrize("options", [(), ("-n2", "--dist", "loadfile")], ids=["alone", "workers"])
def test_it_is_fetched_once_and_ahead(folder: Path, options: tuple[str, ...]) -> None:
    output, _ = start(folder, *options).communicate()
    assert "8 passed" in output
    assert fetched(folder) == 1
    assert (
        output.index("fetching a thing ...") < output.index("a thing is there after") < output.index("....")
    )
    assert "another" not in output
    output, _ = start(folder, *options).communicate()
    assert ("fetching" not in output, fetched(folder)) == (True, 1)


def test_two_runs_at_once_fetch_it_once(folder: Path) -> None:
    runs = [start(folder), start(folder)]
    assert all("8 passed" in run.communicate()[0] for run in runs)
    assert fetched(folder) == 1


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["alone", "workers"])
def test_who_needs_nothing_fetches_nothing(folder: Path, options: tuple[str, ...]) -> None:
    output, _ = start(folder, "-k", "without", *options).communicate()
    assert "2 passed" in output
    assert ("fetching" not in output, fetched(folder)) == (True, 0)


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["alone", "workers"])
def test_what_cannot_be_had_is_said_once_and_skips(folder: Path, options: tuple[str, ...]) -> None:
    (folder / "offline").touch()
    output, _ = start(folder, "-k", "with_it or by_name or without", *options).communicate()
    assert "2 passed, 4 skipped" in output
    assert output.count("a thing can't be had: nobody answers") == 1
    assert "nobody answers" in output.partition("short test summary")[2]
    assert fetched(folder) == 1


def test_a_test_that_did_not_declare_it_fails_even_if_it_is_there(folder: Path) -> None:
    (folder / "test_two.py").write_text(
        "from conftest import THING\n\ndef test_secretly():\n    THING.get()\n"
    )
    output, _ = start(folder, "test_one.py", "test_two.py").communicate()
    assert "1 failed, 4 passed" in output
    assert "a thing is not declared: name it in pytest.mark.fetches" in output


def test_half_of_it_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "CACHE", tmp_path)
    _download.allow(None)
    seen: list[bool] = []

    def breaks(part: Path) -> None:
        (part / "entry").touch()
        seen.append(thing.present())
        raise UnavailableError("cut off")

    thing = Download("a thing", "thing-1", "entry", (), breaks)
    with pytest.raises(UnavailableError, match="cut off"):
        thing.get()
    assert (seen, thing.present()) == ([False], False)
    missing = Download("a thing", "thing-2", "entry", ("no-such-program",), breaks)
    with pytest.raises(UnavailableError, match="no-such-program is not installed"):
        missing.get()


def test_what_tests_declare_is_known_and_makes_them_need_servers(request: pytest.FixtureRequest) -> None:
    declaring = [item for item in request.session.items if needs(item)]
    assert {name for item in declaring for name in needs(item)} <= DOWNLOADS.keys()
    assert [item.nodeid for item in declaring if not item.get_closest_marker("servers")] == []


def test_in_this_run_too_it_has_to_be_declared() -> None:
    with pytest.raises(FetchedInATestError, match="Apache Kafka"):
        DOWNLOADS["kafka"].get()
