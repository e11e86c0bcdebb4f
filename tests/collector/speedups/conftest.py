"""The compiled package, where it is installed."""

from __future__ import annotations

import os
from types import ModuleType

import pytest

from flowtrail_collector.speedups import speedups


@pytest.fixture(scope="session")
def compiled() -> ModuleType:
    """`flowtrail_speedups`; skips without it, unless it is required."""
    found = speedups("required" if os.environ.get("FLOWTRAIL_SPEEDUPS") == "required" else "auto")
    if found is None:
        pytest.skip("flowtrail-speedups isn't installed: make speedups")
    return found
