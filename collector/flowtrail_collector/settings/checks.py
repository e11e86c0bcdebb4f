"""Checks that several sections make."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flowtrail_collector.errors import ConfigurationError


def check_pattern(text: str | None, name: str) -> None:
    """A regular expression, or None.

    Raises:
        ConfigurationError: It can't be used; names the setting.
    """
    try:
        re.compile(text or "")
    except re.error as error:
        raise ConfigurationError(f"{name} is not a regular expression: {text!r}: {error}") from error


def check_positive(section: object, names: Iterable[str]) -> None:
    """Attributes that must be greater than 0.

    Raises:
        ConfigurationError: One isn't; names it.
    """
    for name in names:
        if getattr(section, name) <= 0:
            raise ConfigurationError(f"{name} must be greater than 0, not {getattr(section, name)}")


def is_http(text: str) -> bool:
    """Whether a text is an address of HTTP or HTTPS."""
    return text.startswith(("http://", "https://"))
