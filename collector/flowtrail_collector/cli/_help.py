"""How `--help` is laid out: at any width, no word is broken and no sentence is cut."""

from __future__ import annotations

from collections.abc import Iterable

import click

__all__ = ["HelpContext", "readable"]

_MARGIN = 4
_LEAST_CELLS = 2
_ANY_LENGTH = 10_000


class _Formatter(click.HelpFormatter):
    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = list(rows)
        # click breaks a word that is longer than its column: so the first column leaves room for the longest.
        longest = max((len(word) for _, text in rows for word in text.split()), default=0)
        room = self.width - self.current_indent - col_spacing - _MARGIN - longest
        super().write_dl(rows, max(_LEAST_CELLS, min(col_max, room)), col_spacing)


class HelpContext(click.Context):
    """A context whose help is laid out so."""

    formatter_class = _Formatter


def readable(command: click.Command) -> click.Command:
    """A command whose help is laid out so, and that of all below it."""
    vars(command)["context_class"] = HelpContext
    if command.short_help is None:
        command.short_help = command.get_short_help_str(_ANY_LENGTH)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            readable(below)
    return command
