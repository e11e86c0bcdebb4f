"""What commands print: rich on a terminal, plain text through a pipe, JSON on request."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console

from flowtrail_collector.wording import age, format_seconds, printable

__all__ = ["age", "console", "format_seconds", "print_json", "printable"]


def console() -> Console:
    """A console for standard output: width of the terminal (or COLUMNS), no colour without a TTY."""
    return Console(highlight=False, soft_wrap=False, emoji=False, markup=False)


def print_json(data: Any) -> None:
    """Print data as indented JSON, readable and with sorted-as-given keys."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))
