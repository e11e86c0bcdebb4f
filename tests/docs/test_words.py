"""What people read is English: phrases that newcomers stumbled over don't come back."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from flowtrail_collector.cli import main

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


def helps(command: click.Command) -> list[str]:
    texts = [command.help or "", *(getattr(option, "help", None) or "" for option in command.params)]
    for one in getattr(command, "commands", {}).values():
        texts += helps(one)
    return texts


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_pages_say_it_in_english(page: Path) -> None:
    assert phrases(page.read_text(encoding="utf-8")) == []


def test_help_says_it_in_english() -> None:
    texts = helps(main)
    assert len(texts) > 60
    assert [found for text in texts for found in phrases(text)] == []
