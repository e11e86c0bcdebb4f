"""Docs and messages say the same about how to install an extra: there is no `flowtrail` to get from an index."""

from __future__ import annotations

import re

from tools.docs.blocks import ROOT

_FROM_AN_INDEX = re.compile(r"pip install [^`\n]*\bflowtrail\[")


def test_nothing_says_to_install_flowtrail_from_an_index() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    code = [*(ROOT / "instrumentation").rglob("*.py"), *(ROOT / "collector").rglob("*.py")]
    said = [file.name for file in (*pages, *code) if _FROM_AN_INDEX.search(file.read_text(encoding="utf-8"))]
    assert said == []
