"""The page about contracts: its program runs, and its example of a breaking change is what the command says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flowtrail_collector.cli._app import run
from tools.docs.blocks import ROOT, blocks_of
from waiting import scaled

PAGE = ROOT / "docs" / "contracts.md"


def contract(kind: str) -> str:
    fields = {"order_id": {"type": "string"}, "total": {"type": kind}}
    return json.dumps({"type": "object", "properties": fields, "required": list(fields)})


@pytest.mark.slow
def test_the_program_runs_as_it_stands(tmp_path: Path) -> None:
    block, *_ = [block for block in blocks_of(PAGE) if block.language == "python"]
    folder = tmp_path / "contracts" / "OrderPlaced"
    folder.mkdir(parents=True)
    for version in ("1", "2"):
        (folder / f"{version}.json").write_text(contract("number"), encoding="utf-8")
    script = tmp_path / "block.py"
    script.write_text(f"{block.text}\nassert euros_to_cents\n", encoding="utf-8")
    command = [sys.executable, str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=scaled(60), check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_example_is_what_the_command_says(tmp_path: Path, capsys) -> None:
    for name, kind in (("old", "integer"), ("new", "number")):
        (tmp_path / name / "OrderPlaced").mkdir(parents=True)
        (tmp_path / name / "OrderPlaced" / "1.json").write_text(contract(kind), encoding="utf-8")
    assert run(["contracts", "check", str(tmp_path / "old"), str(tmp_path / "new")]) == 1
    assert capsys.readouterr().out.strip() in PAGE.read_text(encoding="utf-8")
