"""Optional dependencies, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flowtrail.errors import MissingExtraError


def load(module: str, package: str, extra: str) -> Any:
    """The module of a package that an extra brings.

    Raises:
        MissingExtraError: It isn't installed; says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(package, extra) from error
