"""docs/collector.md names every command and every kind of entry; options are in the generated reference."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from flowtrail_collector.cli._app import cli
from flowtrail_collector.trails.model import EntryKind

DOCS = (Path(__file__).parents[3] / "docs" / "collector.md").read_text(encoding="utf-8")


def test_every_command_is_documented():
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        children = command.list_commands(context) if isinstance(command, click.Group) else [""]
        for child in children:
            assert f"`flowtrail {name} {child}".rstrip() in DOCS


@pytest.mark.parametrize("kind", EntryKind)
def test_every_kind_of_entry_is_documented(kind):
    assert f"`{kind.value}`" in DOCS
