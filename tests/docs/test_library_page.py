"""Every Python block of the library's page runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs.blocks import ROOT, UNTIL_READY, Block, blocks_of

BLOCKS = [block for block in blocks_of(ROOT / "docs" / "library.md") if block.language == "python"]


@pytest.mark.servers
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_block_runs(block: Block, devbroker: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(UNTIL_READY + block.text.replace("localhost:9092", devbroker), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr


def test_there_are_blocks() -> None:
    assert len(BLOCKS) >= 4
