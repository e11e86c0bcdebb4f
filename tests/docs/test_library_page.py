"""Every Python block of the library's pages runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.docs.blocks import ROOT, UNTIL_READY, Block, blocks_of
from waiting import scaled

PAGES = ("library", "how-to")
BLOCKS = [
    pytest.param(block, id=f"{page} line {block.line}")
    for page in PAGES
    for block in blocks_of(ROOT / "docs" / f"{page}.md")
    if block.language == "python"
]


@pytest.mark.servers
@pytest.mark.parametrize("block", BLOCKS)
def test_block_runs(block: Block, devbroker: str, tmp_path: Path) -> None:
    script = tmp_path / (block.file or "block.py")
    script.write_text(UNTIL_READY + block.text.replace("localhost:9092", devbroker), encoding="utf-8")
    is_test = script.name.startswith("test_")
    command = [sys.executable, *(["-m", "pytest", "-q"] if is_test else []), str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=scaled(90), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_blocks() -> None:
    assert len(BLOCKS) >= 10
