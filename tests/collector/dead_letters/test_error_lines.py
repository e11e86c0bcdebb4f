"""What exceptions say in several lines is shown in one."""

from __future__ import annotations

import pytest

from flowtrail_collector.cli._dead_letters_view import _error_line


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("1 error\ntotal\n  missing", "Kind: 1 error total missing"),
        ("a\r\n\tb", "Kind: a b"),
        ("", "Kind"),
        (None, "Kind"),
    ],
)
def test_an_error_in_one_line(message: str | None, shown: str) -> None:
    assert _error_line({"error_type": "Kind", "error_message": message}) == shown
