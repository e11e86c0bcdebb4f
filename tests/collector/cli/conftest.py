"""Fixtures for the command line."""

import pytest


@pytest.fixture(autouse=True)
def no_width_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the tests may have a width that programs take for the terminal's."""
    monkeypatch.delenv("COLUMNS", raising=False)
