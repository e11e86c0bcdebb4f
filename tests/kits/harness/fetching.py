"""What the tests need from elsewhere is there before the first of them, and outside of their limits."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.quick import OPTION as QUICK
from servers import DOWNLOADS, FETCHED_BY_FIXTURE, UnavailableError, _download

MARK = "fetches(name, ...): needs downloads of servers.DOWNLOADS that none of its fixtures stands for"
_NEEDS_FILE = "FLOWTRAIL_TEST_NEEDS_FILE"
_WORKER_KEY = "flowtrail_unavailable"


def needs(item: pytest.Item) -> frozenset[str]:
    """The downloads that a test needs: by its marks, its fixtures, and the fixtures its parameters name."""
    marked = {name for mark in item.iter_markers("fetches") for name in mark.args}
    return frozenset(marked | {FETCHED_BY_FIXTURE[name] for name in named(item) & FETCHED_BY_FIXTURE.keys()})


def named(item: pytest.Item) -> frozenset[str]:
    """The fixtures of a test, and the words among its parameters, which may name fixtures."""
    callspec = getattr(item, "callspec", None)
    words = _words(callspec.params.values() if callspec else ())
    return frozenset({*getattr(item, "fixturenames", ()), *words})


def _words(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            yield from _words(value)


class Fetching:
    """Fetches once, where the run is controlled; what can't be had is told once, and its tests skip or fail.

    Args:
        config: pytest's.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._unavailable: dict[str, str] = {}
        worker = getattr(config, "workerinput", None)
        self._is_worker = worker is not None
        if worker is not None:
            self._unavailable = worker[_WORKER_KEY]
        self._controls_workers = not self._is_worker and bool(config.getoption("tx", None))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        idle = self._config.option.collectonly or self._config.getoption(QUICK, False)
        if self._controls_workers and not idle and _missing(DOWNLOADS):
            self._fetch(_needs_by_collecting(self._config.invocation_params.args))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[_WORKER_KEY] = self._unavailable

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        wanted = frozenset[str]().union(*map(needs, session.items))
        if path := os.environ.get(_NEEDS_FILE):
            Path(path).write_text("\n".join(sorted(wanted)))
        if self._is_worker:
            _download.remember_failures(self._unavailable)
        elif not self._controls_workers and not self._config.option.collectonly:
            self._fetch(wanted)

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        _download.allow([DOWNLOADS[name] for name in needs(item)])
        try:
            return (yield)
        finally:
            _download.allow(None)

    def _fetch(self, wanted: Iterable[str]) -> None:
        for name in _missing(wanted):
            download = DOWNLOADS[name]
            self._tell(f"fetching {download.title} ...")
            began = time.monotonic()
            try:
                download.get()
            except UnavailableError as error:
                self._unavailable[download.folder] = str(error)
                self._tell(f"{download.title} can't be had: {error}")
            else:
                self._tell(f"{download.title} is there after {time.monotonic() - began:.0f} s")
        _download.remember_failures(self._unavailable)

    def _tell(self, line: str) -> None:
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line, flush=True)


def _missing(names: Iterable[str]) -> list[str]:
    return [name for name in DOWNLOADS if name in set(names) and not DOWNLOADS[name].present()]


def _needs_by_collecting(arguments: Sequence[str | os.PathLike[str]]) -> list[str]:
    """What the tests of a run with workers need; its controller collects none, so another process does."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "needs"
        subprocess.run(
            [sys.executable, "-m", "pytest", *map(str, arguments), "-n0", "--collect-only", "-q"],
            env={**os.environ, _NEEDS_FILE: str(answer)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        # Without an answer the tests can't be collected, which the workers are about to say.
        return answer.read_text().split() if answer.is_file() else []
