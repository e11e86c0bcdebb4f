"""Files that take long begin first, so that the processes of a run end together."""

from collections import Counter

import pytest

_SLOW_SECONDS = 1.2
_SERVER_SECONDS = 0.7
_USUAL_SECONDS = 0.03


def expected_seconds(item: pytest.Item) -> float:
    """About how long a test takes: what its mark `slow(seconds)` says, else what is usual for its marks."""
    if (mark := item.get_closest_marker("slow")) and mark.args:
        return float(mark.args[0])
    marked = (_SLOW_SECONDS if mark else 0) + (_SERVER_SECONDS if item.get_closest_marker("servers") else 0)
    return marked or _USUAL_SECONDS


class LongFirst:
    """Orders files by how long they are expected to take, the longest first; inside of a file nothing changes.

    For `--dist loadfile --no-loadscope-reorder`, which hands files out in this order. It is the same in every
    worker, as it follows from marks and names alone.
    """

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if hasattr(config, "workerinput"):
            in_order_of_cost(items)


def in_order_of_cost(items: list[pytest.Item]) -> None:
    """Sort the items of whole files, in place."""
    seconds: Counter[str] = Counter()
    for item in items:
        seconds[_file(item)] += expected_seconds(item)  # type: ignore[assignment] # a Counter adds floats too
    items.sort(key=lambda item: (-seconds[_file(item)], _file(item)))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
