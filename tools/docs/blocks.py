"""Code blocks of a page, and running them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A program that runs for ever ends here once its consumers have joined: by then all of it has run.
UNTIL_READY = """
import flowtrail as _flowtrail
def _until_ready(self):
    with self.running():
        assert self.ready(30), "the consumers did not join"
_flowtrail.Trail.run = _until_ready
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the file it stands for (if the page says), its line."""

    language: str
    text: str
    file: str | None
    line: int


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a Markdown page, in order."""
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [
        Block(match[2], match[3], match[1], text[: match.start()].count("\n") + 1)
        for match in pattern.finditer(text)
    ]
