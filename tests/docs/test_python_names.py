"""Names of the library that the docs spell out in full are there, where the docs say."""

from __future__ import annotations

import re
from importlib import import_module

from tools.docs.blocks import ROOT

_NAME = re.compile(r"`(flowtrail(?:\.[a-z_]+)*)\.([A-Z]\w+)`")


def test_every_full_name_is_where_the_docs_say() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    said = {
        (page.name, *found) for page in pages for found in _NAME.findall(page.read_text(encoding="utf-8"))
    }
    assert said
    missing = [row for row in sorted(said) if not hasattr(import_module(row[1]), row[2])]
    assert missing == []
