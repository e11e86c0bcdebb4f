"""The page, put together from its sections."""

from __future__ import annotations

from collections.abc import Callable

from tools.docs.collector._api import api_section
from tools.docs.collector._commands import commands_section
from tools.docs.collector._metrics import metrics_section
from tools.docs.collector._variables import variables_section

__all__ = ["SECTIONS", "page"]

_INTRODUCTION = """# Reference of the collector

Made by `python -m tools.docs.collector` of what the code itself uses. [The collector](collector.md) \
explains how things belong together; what a service uses is in the [reference of the library](reference.md).
"""

SECTIONS: dict[str, Callable[[], str]] = {
    "Commands": commands_section,
    "Environment": variables_section,
    "HTTP": api_section,
    "Metrics": metrics_section,
}


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_INTRODUCTION, *(f"## {title}\n\n{section()}" for title, section in SECTIONS.items())])
