"""What became of a run, in a file, so that CI can decide whether trying once more makes sense."""

import json
from pathlib import Path

import pytest

OPTION = "--outcome"


class Outcome:
    """Writes `{"exit_status": 1, "failed": [names], "broken": [reasons]}` when the run ends.

    Args:
        path: the file; what an earlier run left there is removed at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed: dict[str, None] = {}
        self._broken: list[str] = []
        path.unlink(missing_ok=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed[report.nodeid] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._broken.append(f"{report.nodeid or 'tests'} can't be collected")

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        self._broken.append(f"a worker crashed in {crashitem}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        if error:
            self._broken.append(f"a worker is gone: {str(error).splitlines()[0]}")

    def pytest_internalerror(self, excrepr: object) -> None:
        self._broken.append(f"pytest itself failed: {str(excrepr).strip().splitlines()[-1]}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        result = {"exit_status": int(exitstatus), "failed": [*self._failed], "broken": self._broken}
        self._path.write_text(json.dumps(result, indent=1), encoding="utf-8")
