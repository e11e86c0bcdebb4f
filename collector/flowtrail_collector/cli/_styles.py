"""Colours that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["GROUP_STYLES", "group_style"]

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


def group_style(group: Mapping[str, Any]) -> str:
    """Of a group as the API answers it: what is old isn't shown as if all were well."""
    style = GROUP_STYLES.get(group["status"] or "", "")
    return style or ("yellow" if group["age_seconds"] is not None else "")
