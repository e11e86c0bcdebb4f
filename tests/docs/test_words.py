"""What people read is English: phrases that newcomers stumbled over don't come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.docs.collector._commands import commands, options

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "collector/flowtrail_collector/console/templates"
READ = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(TEMPLATES.glob("*.html"))]
STUMBLED_OVER = re.compile(
    r"\banew\b|feeds whom|nobody may|stands in (the audit|its topic)|>stands in<|made no sense|told to come back"
    r"|\bis no (JSON|order)\b|belong into|wire format\]|flow map",
    re.IGNORECASE,
)


def phrases(text: str) -> list[str]:
    return [found[0] for found in STUMBLED_OVER.finditer(" ".join(text.split()))]


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_pages_say_it_in_english(page: Path) -> None:
    assert phrases(page.read_text(encoding="utf-8")) == []


def test_help_says_it_in_english() -> None:
    texts = [command.help or "" for _, command in commands()]
    texts += [option.help or "" for context, command in commands() for option in options(context, command)]
    assert len(texts) > 60
    assert [found for text in texts for found in phrases(text)] == []
