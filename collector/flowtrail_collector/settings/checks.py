"""What the sections of settings have in common: they check themselves, and how."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from pathlib import Path

from flowtrail_collector.errors import ConfigurationError


class Section(ABC):
    """Settings that belong together."""

    __slots__ = ()

    @abstractmethod
    def validate(self) -> None:
        """Check the section.

        Raises:
            ConfigurationError: Says which setting is wrong and what it takes.
        """

    def check_positive(self, *names: str) -> None:
        """Check that attributes are greater than 0.

        Raises:
            ConfigurationError: One isn't; names it.
        """
        for name in names:
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be greater than 0, not {getattr(self, name)}")


def check_pattern(text: str | None, name: str) -> None:
    """Check that a text is a regular expression, or None.

    Raises:
        ConfigurationError: It isn't; names the setting.
    """
    try:
        re.compile(text or "")
    except re.error as error:
        raise ConfigurationError(f"{name} is not a regular expression: {text!r}: {error}") from error


def is_http(text: str) -> bool:
    """Whether a text is an address of HTTP or HTTPS."""
    return text.startswith(("http://", "https://"))


def read_token(path: Path | None, option: str, variable: str) -> str | None:
    """A token from a file, or from a variable; None where there is neither.

    Never from an option itself: command lines are visible to everybody on the machine.

    Args:
        path: The file, if one is named.
        option: What names it, without the dashes.
        variable: What holds the token directly.

    Raises:
        ConfigurationError: The file can't be read, or is empty.
    """
    if path is None:
        return os.environ.get(variable, "").strip() or None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--{option} {path} can't be read: {error}") from error
    if not token:
        raise ConfigurationError(f"--{option} {path} is empty")
    return token
