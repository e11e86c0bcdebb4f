"""docs/architecture.md: the rooms exist, and each walk can be followed from name to name."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tools.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = re.findall(r"^\| .+\? \| `([^`]+)` \|$", PAGE, re.MULTILINE)
WALKS = {
    part.split("\n", 1)[0]: re.findall(r"^\d+\. `([^`]+)` `([^`]+)`: .+\.$", part, re.MULTILINE)
    for part in PAGE.split("\n### ")[1:]
}


@cache
def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def names_in(path: str) -> frozenset[str]:
    """What a module defines: functions, classes and their methods."""
    found = set()
    for node in ast.parse(text_of(path)).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{item.name}" for item in methods}
    return frozenset(found)


def test_the_page_is_read_whole() -> None:
    assert len(ROOMS) == PAGE.count("? |") >= 10
    assert [len(steps) for steps in WALKS.values()] == [
        len(re.findall(r"^\d+\. ", part, re.MULTILINE)) for part in PAGE.split("\n### ")[1:]
    ]
    assert len(WALKS) == 6


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_there(room: str) -> None:
    assert (ROOT / room).exists()


@pytest.mark.parametrize("walk", WALKS)
def test_every_step_is_defined_where_the_walk_says(walk: str) -> None:
    assert [(path, name) for path, name in WALKS[walk] if name not in names_in(path)] == []


@pytest.mark.parametrize("walk", WALKS)
def test_every_step_is_named_by_one_before_it(walk: str) -> None:
    """Whoever stands at a step finds the next one by reading on; a port's method leads to its adapters."""
    lost = []
    for at, (path, name) in enumerate(WALKS[walk][1:], start=1):
        before = {earlier for earlier, _ in WALKS[walk][:at]}
        word = re.compile(rf"\b{re.escape(name.rpartition('.')[2])}\b")
        if not any(word.search(text_of(earlier)) for earlier in before | _whoever_wires(path)):
            lost.append(name)
    assert lost == []


def _whoever_wires(path: str) -> set[str]:
    """Parts that run by themselves are started by what their slice's `wire` says, or `app.py`."""
    if not path.startswith("collector/"):
        return set()
    wires = {str(Path(path).parent / "wire.py"), "collector/flowtrail_collector/app.py"}
    return {wire for wire in wires if (ROOT / wire).exists()}
