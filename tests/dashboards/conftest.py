"""What the tests of dashboards and rules run."""

from __future__ import annotations

import shutil

import pytest

from servers import servers_required


@pytest.fixture(scope="session")
def promtool() -> str:
    """Path of promtool."""
    path = shutil.which("promtool")
    if path is None:
        if servers_required():
            pytest.fail("FLOWTRAIL_REQUIRE_SERVERS is set, and promtool is not installed", pytrace=False)
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    return path
