"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FILE_OR_URL = click.Path()
"""What may name a file or a folder and may be something else: shells complete it as the former."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def limit_option(default: int) -> Callable[[F], F]:
    """How many are listed; the command receives `limit: int`."""
    return click.option(
        "--limit",
        type=click.IntRange(1, 1000),
        default=default,
        show_default=True,
        help="Maximum number to show.",
    )


def stacked(options: Iterable[Callable[[F], F]]) -> Callable[[F], F]:
    """Several options as one decorator; `--help` shows them in this order."""
    in_order = list(options)

    def decorate(command: F) -> F:
        for option in reversed(in_order):
            command = option(command)
        return command

    return decorate
