"""Colours that several commands share."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["GROUP_STYLES"]

GROUP_STYLES: Mapping[str, str] = {
    "rewound": "cyan",
    "behind": "yellow",
    "stalled": "red",
    "stopped": "red",
    "losing": "bold red",
    "beyond": "bold red",
    "uncommitted": "red",
}
"""By a group's status."""
