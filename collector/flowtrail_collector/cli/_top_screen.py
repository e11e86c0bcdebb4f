"""The screen of `flowtrail top`: what a collector says, in as many lines as there are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import chop_cells
from rich.text import Text

from flowtrail_collector.cli._output import wrapped
from flowtrail_collector.cli._styles import group_style
from flowtrail_collector.cli._top_figures import Figures
from flowtrail_collector.cli._top_table import Column, Table
from flowtrail_collector.lag.words import catch_up_words
from flowtrail_collector.wording import age, format_seconds, printable, unmistakable

__all__ = ["screen"]

_FLOWS = (
    Column("OPEN", 0), Column("COMPLETED", 1), Column("FAILED", 2), Column("TIMED OUT", 3),
    Column("COMPENSATED", 4), Column("PARTIAL", 5),
)  # fmt: skip
_STUCK = (
    Column("WAITS FOR", 0, number=False), Column("BY", 1, number=False), Column("DEADLINE", 2),
    Column("FLOW", 3, number=False),
)  # fmt: skip
_GROUPS = (
    Column("STATUS", 1, number=False), Column("LAG", 0), Column("OLDEST UNREAD", 2),
    Column("TIME TO CATCH UP", 3), Column("MEMBERS", 4),
)  # fmt: skip
_CAUSES = (
    Column("COUNT", 0), Column("LAST HOUR", 2), Column("TREND", 3, number=False), Column("LAST", 1),
    Column("EVENT", 4, number=False), Column("GROUP", 5, number=False),
)  # fmt: skip
_ROOMY = 24
_MAX_MESSAGE = 40


def screen(
    figures: Figures | None, trouble: str, width: int | None, height: int | None, keys: str = ""
) -> list[Text]:
    """All lines, none wider than the screen, and no more than it has.

    Args:
        figures: What was told last; None if nothing was yet.
        trouble: Why there is nothing newer; empty if there is.
        width: Cells of a line; None for any.
        height: Lines; None for any.
        keys: What is said about keys.
    """
    head = [*_head(figures, trouble, width, keys)]
    if figures is None:
        return _folded(head, width)[:height]
    tables = [_flows(figures), _stuck(figures), _groups(figures), _causes(figures)]
    if not figures.stuck:
        del tables[1]
    gap = [Text()] if height is None or height >= _ROOMY else []
    blocks = [table.lines(width) for table in tables]
    wanted = [
        sum(map(len, block)) + bool(table.left_out(len(block) - 1))
        for table, block in zip(tables, blocks, strict=True)
    ]
    room = None if height is None else height - len(head) - len(gap) * len(tables)
    lines = head
    for table, block, share in zip(tables, blocks, _shares(wanted, room), strict=True):
        lines += [*gap, *_shown(table, block, share)]
    return _folded(lines, width)[:height]


def _folded(lines: Sequence[Text], width: int | None) -> list[Text]:
    """Lines of which no word has room for itself go over several, as on a terminal that is only a few cells wide."""
    found: list[Text] = []
    for line in lines:
        at = 0
        for part in chop_cells(line.plain, width) if width and line.cell_len > width else [line.plain]:
            found.append(line[at : at + len(part)])
            at += len(part)
    return found


def _shares(wanted: Sequence[int], room: int | None) -> list[int]:
    """How many lines each block gets: what it wants, and where that is too much, as even as can be."""
    if room is None or sum(wanted) <= room:
        return list(wanted)
    shares = [0] * len(wanted)
    while sum(shares) < room:
        for number, want in enumerate(wanted):
            if shares[number] < want and sum(shares) < room:
                shares[number] += 1
    return shares


def _shown(table: Table, block: Sequence[Sequence[Text]], share: int) -> Iterator[Text]:
    """The rows that there is room for, and how many more there are."""
    cut = sum(map(len, block)) > share or table.left_out(len(block) - 1) > 0
    room = share - 1 if cut and share > 1 else share
    rows = 0
    for lines in block:
        if len(lines) > room:
            break
        room, rows = room - len(lines), rows + 1
        yield from lines
    if cut and rows and share > 1:
        yield Text(f"and {table.left_out(rows - 1)} more", style="dim")


def _head(figures: Figures | None, trouble: str, width: int | None, keys: str) -> Iterator[Text]:
    if figures is not None:
        said = f"flowtrail {figures.status['version']}  {figures.url}  {figures.at:%H:%M:%S} UTC"
        if width is not None and len(said) + 2 + len(keys) <= width:
            said += keys.rjust(width - len(said))
        yield from wrapped(Text(said, style="bold"), width, 2)
        for line in figures.problems:
            yield from wrapped(Text(printable(line), style="red"), width, 2)
    if trouble:
        yield from wrapped(Text(printable(trouble), style="bold red"), width, 2)
    elif figures is None:
        yield Text("asking the collector ...", style="dim")


def _flows(figures: Figures) -> Table:
    table = Table("FLOW", _FLOWS, "none: the collector has no flow file")
    for flow in figures.flows:
        ended = flow["instances"]
        names = ("open", "completed", "failed", "timed_out", "compensated", "partial")
        table.add(printable(flow["name"]), [str(ended.get(name, 0)) for name in names])
    return table


def _stuck(figures: Figures) -> Table:
    table = Table("STUCK", _STUCK, "none")
    for saga in figures.stuck:
        waiting = [step for step in saga["steps"] if step["state"] == "open"]
        deadlines = [step["deadline"] for step in waiting if step["deadline"]]
        cells = (
            ", ".join(step["name"] for step in waiting),
            ", ".join(dict.fromkeys(step["by"] for step in waiting if step["by"])),
            age(min(deadlines), now=figures.at) if deadlines else "",
            saga["flow"],
        )
        table.add(printable(saga["key"]), [printable(cell) for cell in cells], "red")
    return table


def _groups(figures: Figures) -> Table:
    table = Table("GROUP", _GROUPS, "none is known yet")
    for group in figures.groups:
        cells = (
            group["verdict"] or "?",
            _figure(group["lag"]),
            "?" if group["lag_seconds"] is None else format_seconds(group["lag_seconds"]),
            catch_up_words(group) or "?",
            _figure(group["members"]),
        )
        table.add(unmistakable(group["group"]), cells, group_style(group))
    table.leave_out(figures.groups_left_out)
    return table


def _causes(figures: Figures) -> Table:
    table = Table("DEAD LETTERS", _CAUSES, "none is pending")
    for cause in figures.causes:
        cells = (
            str(cause["count"]), str(cause["last_hour"]), cause["trend"], age(cause["last"], now=figures.at),
            printable(cause["event_type"] or "?"), printable(cause["group"] or "?"),
        )  # fmt: skip
        table.add(_cause(cause), cells, "red" if cause["trend"] == "rising" else "")
    return table


def _cause(cause: dict[str, Any]) -> str:
    """What tells it from others of the same class, in so few words that figures have room beside them."""
    words = textwrap.shorten(cause["message"] or "", _MAX_MESSAGE, placeholder=" …")
    return printable(": ".join(filter(None, [cause["error_type"] or "unknown error", words])))


def _figure(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
