"""The page about the demo: its commands parse, its options and variables are those of the code."""

from __future__ import annotations

import re

import pytest

from docs.test_shell_blocks import calls
from orderflow.__main__ import _parser
from tools.docs.blocks import ROOT

TEXT = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
CODE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "demo" / "orderflow").rglob("*.py"))


@pytest.mark.parametrize("call", calls("python", "-m", "orderflow"), ids=" ".join)
def test_a_command_parses(call: list[str]) -> None:
    assert _parser().parse_args(call[3:])


def test_every_option_and_variable_is_there_and_no_other() -> None:
    options = set(
        re.findall(r'"(--[a-z-]+)"', (ROOT / "demo" / "orderflow" / "__main__.py").read_text("utf-8"))
    )
    ours = re.sub(r"^\$ flowtrail .*$", "", TEXT, flags=re.MULTILINE)
    shown = set(re.findall(r"(?<!\S|-)`?(--[a-z][a-z-]+)", ours))
    assert options <= set(re.findall(r"--[a-z][a-z-]+", TEXT))
    assert {name for name in shown if name not in options} == set()
    assert set(re.findall(r"ORDERFLOW_[A-Z_]+", TEXT)) == set(re.findall(r"ORDERFLOW_[A-Z_]+[A-Z]", CODE))
