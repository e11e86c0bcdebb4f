"""What `make test-quick` runs, and what that may cost.

It is for between two edits, so it has a budget: no test in it needs a server, none is `slow`, none costs more
than the limits below, and all together stay within `BUDGET_SECONDS`. What is left out runs in `make test`.
"""

import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import slowness

OPTION = "--quick"
CPU_SECONDS = 1.0
"""What one test may take of the processor, its fixtures and the processes it starts included."""
WAIT_SECONDS = 2.0
"""How long one test may wait for anything but the processor."""
BUDGET_SECONDS = 80.0
"""What all tests together may take of the processor: in two processes under a minute, with collecting them."""
_LEFT_OUT = ("servers", "slow")
_MARKED_AS_A_WHOLE = re.compile(r"^pytestmark = (?:\[[^]]*)?pytest\.mark\.(?:slow|servers)\b", re.MULTILINE)
_COST = "cpu_seconds"
_SHOWN = 10


def is_quick(item: pytest.Item) -> bool:
    """Whether it belongs to `make test-quick`."""
    return not any(item.get_closest_marker(name) for name in _LEFT_OUT)


class Quick:
    """Leaves out what isn't quick, refuses tests that cost too much, and fails a run that does."""

    def __init__(self) -> None:
        self._costs: dict[str, float] = {}
        # Now: tests of the factor itself change what it is read from.
        self._slowness = slowness()

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """A file that is left out as a whole isn't even imported; None lets others decide."""
        if collection_path.suffix != ".py":
            return None
        return bool(_MARKED_AS_A_WHOLE.search(collection_path.read_text(encoding="utf-8"))) or None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left = [item for item in items if not is_quick(item)]
        items[:] = filter(is_quick, items)
        if left:
            config.hook.pytest_deselected(items=left)

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._cpu_began, self._wait_began = _cpu_seconds(), _waited_seconds()
        return (yield)

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        report: pytest.TestReport = yield  # type: ignore[assignment] # what the hook hands back
        spent, waited = _cpu_seconds() - self._cpu_began, _waited_seconds() - self._wait_began
        if report.when == "call" and report.passed and (reason := _refusal(spent, waited, self._slowness)):
            report.outcome, report.longrepr = "failed", reason
        if report.when == "teardown":
            report.user_properties.append((_COST, spent))
        return report  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._costs[report.nodeid] = float(str(dict(report.user_properties)[_COST]))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._is_over() and not hasattr(session.config, "workerinput"):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        total = sum(self._costs.values())
        limit = f"{BUDGET_SECONDS:g} s x {self._slowness:.1f}"
        terminalreporter.write_line(f"quick: {total:.0f} s of the processor in tests, at most {limit}")
        if self._is_over():
            terminalreporter.write_line("too much for `make test-quick`; the most expensive:", red=True)
            for name, seconds in sorted(self._costs.items(), key=lambda item: -item[1])[:_SHOWN]:
                terminalreporter.write_line(f"{seconds:6.2f} s  {name}")

    def _is_over(self) -> bool:
        return sum(self._costs.values()) > BUDGET_SECONDS * self._slowness


def _refusal(cpu_seconds: float, waited_seconds: float, factor: float) -> str | None:
    for said, seconds, limit in (
        ("takes {:.1f} s of the processor", cpu_seconds, CPU_SECONDS),
        ("waits for {:.1f} s", waited_seconds, WAIT_SECONDS),
    ):
        if seconds > limit * factor and seconds > limit * slowness(anew=True):
            allowed = f"more than a quick test may ({limit:g} s x {slowness():.1f})"
            return f"{said.format(seconds)}, {allowed}: make it cheaper, or mark it `slow` (CONTRIBUTING.md)"
    return None


def _cpu_seconds() -> float:
    """What this process and the children it has waited for have used."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _waited_seconds() -> float:
    """How long this thread has slept since some moment; waiting for its turn on a busy machine isn't counted.

    Always the same where the kernel doesn't tell.
    """
    try:
        ran, queued, *_ = Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return time.monotonic() - (int(ran) + int(queued)) / 1e9
