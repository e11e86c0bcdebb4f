"""Large tables of slow tests: every nth of them, all with `FLOWTRAIL_FULL`."""

import os
from collections import Counter

import pytest

MARK = "sampled(every): a table so large that only every nth of it runs, without FLOWTRAIL_FULL"


def sampled(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """What runs and what doesn't; the same in every process, as it follows from the order alone."""
    if os.environ.get("FLOWTRAIL_FULL", "") not in ("", "0"):
        return items, []
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    seen: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark is None:
            kept.append(item)
            continue
        table = item.nodeid.partition("[")[0]
        (kept if seen[table] % mark.args[0] == 0 else left).append(item)
        seen[table] += 1
    return kept, left
