"""The code that every event goes through, compiled, where the package `flowtrail-speedups` is installed.

It gives the same results as its counterparts in Python, which the collector uses without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from types import ModuleType
from typing import Literal

from flowtrail import __version__
from flowtrail_collector.errors import ConfigurationError

__all__ = ["SPEEDUPS", "Use", "is_installed", "speedups"]

logger = logging.getLogger("flowtrail_collector")

SPEEDUPS = "flowtrail-speedups"
"""The package's name."""
_MODULE = "flowtrail_speedups"
_INTERFACE = 2
_INSTALL = f"run pip install ./speedups in a checkout of flowtrail {__version__}"

Use = Literal["auto", "off", "required"]
"""Whether it is used: where it is there, never, or always."""


def speedups(use: Use) -> ModuleType | None:
    """The package, None where it isn't used.

    Raises:
        ConfigurationError: It is required, and isn't there or can't be used.
    """
    if use == "off":
        return None
    found, problem = _loaded()
    if problem is not None and use == "required":
        raise ConfigurationError(f"{problem}, or --speedups off")
    if problem is not None and is_installed():
        logger.warning("%s; until then events are read without it, more slowly", problem)
    return found


def is_installed() -> bool:
    """Whether the package is there at all; it may be one that can't be used."""
    return importlib.util.find_spec(_MODULE) is not None


def _loaded() -> tuple[ModuleType | None, str | None]:
    """The package, or why there is none."""
    if not is_installed():
        return None, f"{SPEEDUPS} isn't installed: {_INSTALL}"
    try:
        found = importlib.import_module(_MODULE)
    except Exception as error:  # noqa: BLE001 - whatever a broken package raises, Python does its work
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return None, f"{SPEEDUPS} can't be loaded ({reason}): {_INSTALL}"
    if getattr(found, "INTERFACE", None) != _INTERFACE:
        return None, f"{SPEEDUPS} {_version(found)} was built for another version of flowtrail: {_INSTALL}"
    return found, None


def _version(found: ModuleType) -> str:
    return str(getattr(found, "__version__", "of no version"))
