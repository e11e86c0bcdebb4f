"""What people read that changed since a version: `make sentences SINCE=v0.1.0`.

For the changelog and for translators: texts of several words in the code of both packages and the demo, help of
commands, pages of the console, dashboards, alerts and docs, as `path`, old text and new text. Texts of a file are paired by
likeness; one without a counterpart is new or gone. Docstrings that only readers of code meet are left out.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PLACES = [
    "README.md",
    "collector/flowtrail_collector",
    "dashboards",
    "demo/orderflow",
    "deploy",
    "docs",
    "instrumentation/flowtrail",
]
ALIKE = 0.5
"""How much two texts have in common (0 to 1, `difflib`'s ratio of their words) to be one text before and after."""
COMMANDS = {"command", "group"}
"""Decorators whose function says in its docstring what `--help` prints."""


@dataclass(frozen=True, slots=True)
class Change:
    """A text of a file before and after: `None` where it wasn't, or is no longer."""

    path: str
    old: str | None
    new: str | None


def of_module(source: str) -> Iterator[str]:
    """What a module may say. A value within a text is `{…}`."""
    tree = ast.parse(source)
    unread = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in unread | parts:
                yield node.value
        elif isinstance(node, ast.FunctionDef) and COMMANDS & _decorators(node):
            yield ast.get_docstring(node) or ""


def _decorators(function: ast.FunctionDef) -> set[str]:
    names = (item.func if isinstance(item, ast.Call) else item for item in function.decorator_list)
    return {name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "") for name in names}


def of_template(source: str) -> list[str]:
    """The texts of a page of the console, with what Jinja puts into them as `{…}`."""
    plain = re.sub(
        r"\{\{.*?\}\}", "{…}", re.sub(r"\{[%#].*?[%#]\}", "\n", source, flags=re.DOTALL), flags=re.DOTALL
    )
    named = re.findall(r'(?:title|aria-label|placeholder|alt)="([^"]+)"', plain)
    return named + re.sub(r"<[^>]+>", "\n", plain).split("\n")


def of_page(source: str) -> list[str]:
    """The sentences of a Markdown page, without its programs."""
    prose = re.sub(r"```.*?```", "\n", source, flags=re.DOTALL)
    return re.split(r"\n|(?<=[.!?])\s+(?=[A-Z`*])", prose)


def of_json(source: str) -> Iterator[str]:
    """The texts of a dashboard: titles, descriptions, legends."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if isinstance(inner, str) and key in {
                    "title",
                    "description",
                    "content",
                    "label",
                    "legendFormat",
                }:
                    yield inner
                else:
                    yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    yield from walk(json.loads(source))


def of_rules(source: str) -> list[str]:
    """Summaries and descriptions of alerts."""
    return re.findall(r"(?:summary|description):\s*[>|]?-?\s*(.+)", source)


READERS = {".py": of_module, ".html": of_template, ".md": of_page, ".json": of_json, ".yml": of_rules}


def texts(path: str, source: str) -> dict[str, None]:
    """The texts of several words that a file shows to people, each once, in its order."""
    reader = READERS.get(Path(path).suffix)
    found: Iterable[str] = reader(source) if reader and source else ()
    joined = (" ".join(text.split()) for text in found)
    return {text: None for text in joined if re.search(r"[^\W\d_]{2,}.* .*[^\W\d_]{2,}", text)}


def changes(path: str, old: str, new: str) -> list[Change]:
    """How the texts of a file changed, those that are alike paired."""
    before, after = texts(path, old), texts(path, new)
    gone = [text for text in before if text not in after]
    come = [text for text in after if text not in before]
    ratios = [
        (difflib.SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio(), i, j)
        for i, one in enumerate(gone)
        for j, other in enumerate(come)
    ]
    found: dict[int, int] = {}
    for ratio, i, j in sorted(ratios, key=lambda each: (-each[0], each[1], each[2])):
        if ratio >= ALIKE and i not in found and j not in found.values():
            found[i] = j
    return [
        *(Change(path, gone[i], come[j]) for i, j in sorted(found.items())),
        *(Change(path, text, None) for i, text in enumerate(gone) if i not in found),
        *(Change(path, None, text) for j, text in enumerate(come) if j not in found.values()),
    ]


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], check=False, cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        sys.exit(f"git {' '.join(arguments)}: {' '.join(done.stderr.split())}")
    return done.stdout


def since(revision: str) -> Iterator[Change]:
    """Every change between a revision and the last commit, file by file; a file that moved is the same file."""
    for line in _git("diff", "--name-status", "--find-renames", revision, "HEAD", "--", *PLACES).splitlines():
        status, *paths = line.split("\t")
        if Path(paths[-1]).suffix in READERS and status[0] in "MR":
            yield from changes(
                paths[-1], _git("show", f"{revision}:{paths[0]}"), _git("show", f"HEAD:{paths[-1]}")
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="What people read that changed since a version.")
    parser.add_argument("since", help="a tag, a branch or a commit")
    parser.add_argument("--all", action="store_true", help="texts that are new or gone, too")
    arguments = parser.parse_args()
    path = None
    for change in since(arguments.since):
        if not arguments.all and None in (change.old, change.new):
            continue
        if change.path != path:
            path = change.path
            sys.stdout.write(f"\n{path}\n")
        if change.old is not None:
            sys.stdout.write(f"  - {change.old}\n")
        if change.new is not None:
            sys.stdout.write(f"  + {change.new}\n")


if __name__ == "__main__":
    main()
