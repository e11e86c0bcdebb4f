"""A page of a catalog: frontmatter, and text in MDX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowtrail_collector.documents.names import Names
from flowtrail_collector.documents.text import yaml_text

__all__ = ["Ids", "page", "semantic"]

_MARK = "{/* Written by flowtrail of what it has seen flow. */}"


class Ids:
    """Ids of what a catalog has, each kind for itself."""

    def __init__(self) -> None:
        self._names: dict[str, Names] = {}

    def of(self, kind: str, text: str) -> str:
        """The id of a thing of a kind, which may be a folder's name."""
        return self._names.setdefault(kind, Names()).of(text, text)


def page(front: Mapping[str, Any], body: str) -> str:
    """A page as text. What comes from outside is in the frontmatter only: in MDX, braces would be a program."""
    return f"---\n{yaml_text(dict(front))}---\n\n{_MARK}\n\n{body}\n"


def semantic(version: str | None) -> str:
    """A contract's version as a semantic one; that of events which name none is the least."""
    return f"{int(version)}.0.0" if version is not None else "0.0.1"
