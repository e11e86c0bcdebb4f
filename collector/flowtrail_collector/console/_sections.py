"""The navigation: what it leads to, and where a page belongs."""

from __future__ import annotations

SECTIONS = {
    "/": "Overview",
    "/oncall": "On call",
    "/sagas": "Sagas",
    "/sagas/causes": "Stuck",
    "/map": "Map",
    "/lag": "Lag",
    "/history": "History",
    "/dead-letters": "Dead letters",
    "/collector": "Collector",
}
"""What the navigation leads to, by path."""
# Reached from dead letters only.
_ELSEWHERE = {"/redrives": "/dead-letters"}


def section_of(path: str) -> str | None:
    """The section that a page belongs to: a key of `SECTIONS`; None for what is found by search, say."""
    parts = path.split("/")
    for end in range(len(parts), 1, -1):
        start = "/".join(parts[:end])
        if (start := _ELSEWHERE.get(start, start)) in SECTIONS:
            return start
    return None
