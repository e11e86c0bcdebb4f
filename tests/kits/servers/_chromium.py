"""Debian's Chromium, and axe-core (npm), which finds what keeps people from using a page."""

from pathlib import Path

from servers._download import Download, run, unpack
from servers._tools import tool

_AXE_VERSION = "4.14.1"


def chromium() -> str:
    """The browser's path.

    Raises:
        UnavailableError: it isn't installed.
    """
    return tool("chromium")


def _fill(part: Path) -> None:
    run(["npm", "pack", "--silent", f"axe-core@{_AXE_VERSION}"], part, "npm can't fetch axe-core")
    unpack(part)


AXE = Download(f"axe-core {_AXE_VERSION}", f"axe-core-{_AXE_VERSION}", "package/axe.min.js", ("npm",), _fill)
