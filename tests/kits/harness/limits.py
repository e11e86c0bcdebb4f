"""pytest-timeout's limit for each test, scaled by how slow the machine is."""

from collections.abc import Iterator

import pytest

from waiting import slowness


class Limits:
    """Gives each test its limit when it begins; `--timeout` on the command line stays as it was given."""

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if item.config.getoption("timeout", None) is None and (mark := _limit(item)) is not None:
            item.add_marker(mark, append=False)
        return (yield)

    def pytest_report_header(self) -> str:
        return f"limits: multiplied by {slowness():.1f} (FLOWTRAIL_TEST_SLOWNESS)"


def _limit(item: pytest.Item) -> pytest.MarkDecorator | None:
    own = item.get_closest_marker("timeout")
    usual = float(item.config.getini("timeout") or 0)
    arguments, others = (own.args, own.kwargs) if own is not None else ((), {})
    seconds = float(others.get("timeout", arguments[0] if arguments else usual))
    if seconds <= 0:
        return None
    kept = {name: value for name, value in others.items() if name != "timeout"}
    return pytest.mark.timeout(seconds * slowness(), *arguments[1:], **kept)
