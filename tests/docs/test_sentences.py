"""Whoever writes the changelog is told every text that was reworded."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.docs import sentences
from tools.docs.sentences import Change, changes, texts

MODULE = '''
"""A module that reads things."""
import click

@click.command()
def run() -> None:
    """Collect until stopped."""
    raise ValueError(f"no such topic: {topic} of {broker!r}")

def helper() -> None:
    """Only for readers of code."""
    print("reads again in a moment", "single")
'''
TEMPLATE = """
{# a note to ourselves #}
<a href="/lag" title="Lag of each group">{{ counted(n, "group") }} behind</a>
{% if stuck %}<p>Nothing is stuck.</p>{% endif %}
"""
PAGE = """
# Where it stands

One sentence. *Another* sentence, longer.

```python
print("not a sentence of the page")
```
"""
DASHBOARD = '{"title": "Lag by group", "panels": [{"description": "Oldest unread record.", "expr": "max by (group) (x)"}]}'
RULES = """
- alert: Stuck
  expr: a > b for c
  annotations:
    summary: "{{ $labels.flow }} is stuck"
    description: Look at the console.
"""


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("a.py", MODULE, ["Collect until stopped.", "no such topic: {…} of {…}", "reads again in a moment"]),
        ("a.html", TEMPLATE, ["Lag of each group", "Nothing is stuck."]),
        ("a.md", PAGE, ["# Where it stands", "One sentence.", "*Another* sentence, longer."]),
        ("a.json", DASHBOARD, ["Lag by group", "Oldest unread record."]),
        ("a.yml", RULES, ['"{{ $labels.flow }} is stuck"', "Look at the console."]),
        ("a.css", "p { color: red blue }", []),
    ],
)
def test_what_a_file_says(path: str, source: str, expected: list[str]) -> None:
    assert sorted(texts(path, source)) == sorted(expected)


def test_texts_that_are_alike_are_one_text_before_and_after() -> None:
    old = "Where to put it.\n\nThe group gave up this message.\n\nIt stays as it is."
    new = (
        "It stays as it is.\n\nThe group dead-lettered this message.\n\nSomething else altogether, quite new."
    )
    assert changes("a.md", old, new) == [
        Change("a.md", "The group gave up this message.", "The group dead-lettered this message."),
        Change("a.md", "Where to put it.", None),
        Change("a.md", None, "Something else altogether, quite new."),
    ]


def test_a_file_that_moved_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True
        )

    page = tmp_path / "docs" / "old.md"
    page.parent.mkdir()
    rest = "\n\n".join(f"This is sentence number {i} of the page." for i in range(20))
    page.write_text(f"Groups are told anew.\n\n{rest}", encoding="utf-8")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    page.rename(page.with_name("new.md"))
    page.with_name("new.md").write_text(f"Groups are told again.\n\n{rest}", encoding="utf-8")
    git("add", ".")
    git("commit", "--quiet", "-m", "second")
    monkeypatch.setattr(sentences, "ROOT", tmp_path)
    assert list(sentences.since("HEAD~1")) == [
        Change("docs/new.md", "Groups are told anew.", "Groups are told again.")
    ]
    with pytest.raises(SystemExit, match="bad revision"):
        list(sentences.since("nope"))
