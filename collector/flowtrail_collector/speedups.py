"""Compiled counterparts of what every event passes, where the package `flowtrail-speedups` is installed.

Each says what its counterpart in Python says; the collector runs without them as well, only slower.
"""

from __future__ import annotations

import importlib
import logging
from types import ModuleType
from typing import Literal

from flowtrail_collector.errors import ConfigurationError

__all__ = ["SPEEDUPS", "Use", "speedups"]

logger = logging.getLogger("flowtrail_collector")

SPEEDUPS = "flowtrail-speedups"
"""The package's name."""
_MODULE = "flowtrail_speedups"
_INTERFACE = 1
_INSTALL = "pip install ./speedups in flowtrail's source"

Use = Literal["auto", "off", "required"]
"""Whether it is used: where it is there, never, or always."""


def speedups(use: Use) -> ModuleType | None:
    """The package, None where it isn't used.

    Raises:
        ConfigurationError: It is required, and isn't there or is of another version.
    """
    if use == "off":
        return None
    try:
        found = importlib.import_module(_MODULE)
    except ImportError as error:
        if use == "required" or not isinstance(error, ModuleNotFoundError):
            _unusable(use, f"{SPEEDUPS} can't be loaded ({error}): {_INSTALL}")
        return None
    if getattr(found, "INTERFACE", None) != _INTERFACE:
        _unusable(use, f"{SPEEDUPS} is of another version than flowtrail: {_INSTALL} of this version")
        return None
    return found


def _unusable(use: Use, reason: str) -> None:
    if use == "required":
        raise ConfigurationError(f"--speedups required: {reason}")
    logger.warning("%s; events are read without it, only slower", reason)
