"""Which names a broker and its client take."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Protocol


class NameRule(Protocol):
    """Which names are allowed."""

    def objection(self, name: str) -> str | None:
        """Why a name isn't allowed, None if it is."""
        ...


@dataclass(frozen=True, slots=True)
class Names:
    """Names that a broker allows.

    Attributes:
        pattern: A regular expression that they match as a whole.
        rule: The same in words.
        longest: How many characters they have at most.
    """

    pattern: str
    rule: str
    longest: int

    def objection(self, name: str) -> str | None:
        """See `NameRule`."""
        if len(name) > self.longest:
            return f"it is longer than {self.longest} characters"
        return None if re.fullmatch(self.pattern, name) else self.rule


@dataclass(frozen=True, slots=True)
class PamqpNames:
    """Names that pamqp, the codec below aio-pika, encodes too: of those that the server allows, it refuses some.

    Attributes:
        names: What the broker allows.
        what: `exchange` or `queue`.
    """

    names: Names
    what: str

    def objection(self, name: str) -> str | None:
        """See `NameRule`."""
        return self.names.objection(name) or codec_objection(self.what, name)


def codec_objection(what: str, name: str) -> str | None:
    """Why pamqp refuses a name; None if it doesn't, or isn't installed.

    Args:
        what: `exchange` or `queue`.
        name: Its name.
    """
    try:
        commands = importlib.import_module("pamqp.commands")
        constants = importlib.import_module("pamqp.constants")
    except ImportError:
        return None
    try:
        getattr(commands, what.capitalize()).Declare(**{what: name})
    except ValueError as error:
        if "length" in str(error):
            return f"aio-pika takes no {what} names as long as its {len(name)} characters"
        return f"aio-pika takes only names that match {constants.DOMAIN_REGEX[f'{what}-name'].pattern}"
    return bytes_objection(name)


def bytes_objection(name: str) -> str | None:
    """Why AMQP has no room for a name, None if it has."""
    return "it is longer than 255 bytes" if len(name.encode("utf-8", "replace")) > 255 else None
