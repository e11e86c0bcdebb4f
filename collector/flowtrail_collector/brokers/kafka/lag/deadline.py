"""How long there is left to wait."""

from __future__ import annotations

import time

__all__ = ["REQUEST_SECONDS", "seconds_left"]

REQUEST_SECONDS = 60.0
"""Longer than any cycle waits: an answer that comes late is still taken, instead of asking again and again."""


def seconds_left(deadline: float) -> float:
    """Seconds until a deadline (`time.monotonic`); 0 once it has passed."""
    return max(0.0, deadline - time.monotonic())
