"""Names within documents, made of names from outside."""

from __future__ import annotations

import re

__all__ = ["Names"]

_ODD = re.compile(r"[^A-Za-z0-9._-]+")


class Names:
    """Names that may stand in a document or as a file's name, each for one thing only."""

    def __init__(self) -> None:
        self._taken: dict[str, object] = {}

    def of(self, text: str, thing: object) -> str:
        """The name for a thing, made of a text; asked again for the same thing, it is the same."""
        plain = _ODD.sub("-", text).strip("-.")[:120]
        if plain.startswith("__"):  # `__proto__` is no plain name in the language of most readers
            plain = plain.strip("-._")
        if plain.startswith("x-"):  # which would be an extension
            plain = f"x_{plain[2:]}"
        plain = plain or "unnamed"
        name, number = plain, 1
        # Two names that differ only in case are one file on many systems.
        while self._taken.setdefault(name.lower(), thing) != thing:
            number += 1
            name = f"{plain}-{number}"
        return name
