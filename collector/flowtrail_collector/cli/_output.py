"""What commands print: rich on a terminal, plain text through a pipe, JSON on request."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import click
from rich.console import Console
from rich.table import Table


def console() -> Console:
    """A console for standard output: width of the terminal (or COLUMNS), no colour without a TTY."""
    return Console(highlight=False, soft_wrap=False, emoji=False, markup=False)


def plain_table(*columns: str, numbers: Collection[str] = ()) -> Table:
    """A table without lines, whose cells fold; the columns with numbers stand to the right."""
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table


def print_json(data: Any) -> None:
    """Print data as indented JSON, readable and with sorted-as-given keys."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))
