"""What people read is English: phrases that newcomers stumbled over don't come back, and it is spelled one way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tools.docs.collector._commands import commands, options

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "collector/flowtrail_collector/console/templates"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(TEMPLATES.glob("*.html"))]
RULES = [
    *sorted((ROOT / "dashboards").rglob("*.yml")),
    *sorted((ROOT / "dashboards").rglob("*.json")),
    *sorted((ROOT / "deploy").rglob("*.yaml")),
    *sorted(TEMPLATES.parent.rglob("static/*.js")),
    ROOT / "compose.yaml",
    ROOT / "CHANGELOG.md",
]
CODE = [
    path
    for package in ("collector/flowtrail_collector", "instrumentation/flowtrail", "demo/orderflow")
    for path in sorted((ROOT / package).rglob("*.py"))
]
AMERICAN = re.compile(
    r"\b(behavior|color|favor|honor|neighbor|center|catalog|canceled|canceling|labeled|labeling|modeled|traveled"
    r"|(?:recogn|normal|organ|initial|summar|optim|minim|maxim|util|real|custom|synchron|emphas)iz(?:e|es|ed|ing|ation))\b",
    re.IGNORECASE,
)
# Names of others, whatever language the sentence around them is in.
BARE_PLURAL = re.compile(
    r"\bX (messages|records|groups|orders|retries|attempts|instances|topics|partitions|events|spans|dead letters"
    r"|flows|queues|causes|services|bytes are)\b"
)
# A number that is never 1, and why.
NEVER_ONE = {
    "belongs to X flows": "the trail of one is shown",
    "of the X instances": "forecasts need more",
    "more than X spans": "a limit",
    "of X spans are shown": "a limit",
    "first X events are shown": "a limit",
    " after X attempts": "the first one isn't counted out loud",
    "X X records": "of topics, which have any number of them",
}
NAMES = re.compile(
    r"`[^`]*`|```.*?```|https?://\S+|EventCatalog|/api/v1/catalog|[\w./-]+\.(?:py|md|html|css|js|yml)",
    re.DOTALL,
)


@cache
def never() -> re.Pattern[str]:
    """The last column of the table in CONTRIBUTING."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.search(r"\| say \| for \| never \|\n\| --- \| --- \| --- \|\n((?:\|.*\n)+)", text)
    assert rows is not None
    cells = [re.split(r"(?<!\\)\|", row)[3] for row in rows[1].splitlines()]
    found = [phrase.replace("\\|", "|") for cell in cells for phrase in re.findall(r"`([^`]+)`", cell)]
    assert len(found) > 20
    return re.compile("|".join(found), re.IGNORECASE)


def phrases(text: str) -> list[str]:
    return [found[0] for found in never().finditer(" ".join(text.split()))]


def american(text: str) -> list[str]:
    return [found[0] for found in AMERICAN.finditer(NAMES.sub(" ", text))]


def sentences(path: Path) -> Iterator[str]:
    """What a module may say: its texts of several words, but for docstrings, which only readers of code meet."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in unread
            and " " in node.value
        ):
            yield node.value


@pytest.mark.parametrize("page", [*PAGES, *RULES], ids=lambda page: page.name)
def test_pages_say_it_in_english(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert phrases(text) == []
    if page.suffix == ".md":
        assert american(text) == []


@pytest.mark.slow
def test_what_programs_say_is_english() -> None:
    said = [(path.name, text) for path in CODE for text in sentences(path)]
    assert len(said) > 1_000
    assert [(name, text) for name, text in said if phrases(text)] == []


def test_help_says_it_in_english() -> None:
    texts = [command.help or "" for _, command in commands()]
    texts += [option.help or "" for context, command in commands() for option in options(context, command)]
    assert len(texts) > 60
    assert [found for text in texts for found in (*phrases(text), *american(text))] == []


@pytest.mark.slow
def test_one_is_not_many() -> None:
    """A number of things goes through `counted`, unless it can't be 1."""
    said = [(path.name, text) for path in CODE for text in sentences(path) if BARE_PLURAL.search(text)]
    found = [each for each in said if not any(text in each[1] for text in NEVER_ONE)]
    # A condition beside it that has the singular, too, is as good.
    singular = {path.name: path.read_text(encoding="utf-8") for path in CODE if path.name in dict(found)}
    assert [each for each in found if " == 1 else " not in singular[each[0]]] == []


def test_what_an_assistant_reads_is_english() -> None:
    texts = [
        node.value.value
        for path in CODE
        if path.parent.name == "mcp"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    assert len(texts) > 60
    assert [found for text in texts for found in (*phrases(text), *american(text))] == []


def test_the_table_names_what_it_forbids() -> None:
    assert phrases("the topic was made anew") == ["anew"]
    assert phrases("At most so many.") == ["At most so many"]
    assert american("the color of `color` and a behavior") == ["color", "behavior"]
