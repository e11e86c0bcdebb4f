"""Numbers from callers: refused where they are given, not where they are first needed."""

from __future__ import annotations

import math
import threading
from typing import Any

from flowtrail.errors import ConfigurationError

__all__ = ["check_number", "check_seconds", "check_whole"]


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse what isn't a whole number within bounds.

    Raises:
        ConfigurationError: Says what it should be.
    """
    expected = f"{least} or more" if most is None else f"from {least} to {most}"
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        raise ConfigurationError(f"{name} is {value!r:.100}, should be a whole number, {expected}")


def check_number(name: str, value: Any, least: float, most: float = math.inf) -> None:
    """Refuse what isn't a finite number within bounds; raises as `check_whole`."""
    if not _is_number(value) or not least <= value <= most:
        expected = f"{least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        raise ConfigurationError(f"{name} is {value!r:.100}, should be a number, {expected}")


def check_seconds(name: str, value: Any, *, above_zero: bool = False) -> None:
    """Refuse what isn't a span of time that can be waited for; raises as `check_whole`."""
    if not _is_number(value) or not 0 <= value <= threading.TIMEOUT_MAX or (above_zero and value == 0):
        expected = "above 0" if above_zero else "0 or more"
        raise ConfigurationError(f"{name} is {value!r:.100}, should be a number of seconds, {expected}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
