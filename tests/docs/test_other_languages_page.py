"""The programs on the page are those of demo/other-languages, and their locks name no registry."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools.docs.blocks import ROOT, blocks_of

FOLDER = ROOT / "demo" / "other-languages"
SOURCES = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in (".java", ".go", ".js")]
BUILT = {"target", "node_modules"}


def test_the_page_shows_every_program_as_it_is() -> None:
    shown = {
        block.file: block.text
        for block in blocks_of(ROOT / "docs" / "other-languages.md")
        if block.file is not None and block.file.startswith("demo/")
    }
    programs = [path for path in SOURCES if BUILT.isdisjoint(path.parts)]
    assert shown == {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in programs}
    assert len(shown) == 5


def test_dependencies_are_pinned_and_name_no_registry() -> None:
    for folder in ("node", "node-rabbitmq"):
        package = json.loads(read(FOLDER / folder / "package.json"))
        lock = json.loads(read(FOLDER / folder / "package-lock.json"))
        assert all(re.fullmatch(r"[\d.]+", version) for version in package["dependencies"].values())
        assert not any("resolved" in entry for entry in lock["packages"].values())
    pom = read(FOLDER / "java" / "pom.xml")
    artifacts = len(re.findall("<artifactId>", pom))
    assert len(re.findall(r"<version>\d[\w.]*</version>", pom)) == artifacts
    assert "<repositor" not in pom
    assert read(FOLDER / "go" / "go.sum").count("h1:") >= 4


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
