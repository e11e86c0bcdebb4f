"""What `flowtrail dlq` shows of redrives: counts as bars, a progress bar, a line at the end."""

from __future__ import annotations

import sys
import time
from typing import Any
from urllib.parse import quote

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flowtrail_collector.cli._client import CollectorClient
from flowtrail_collector.cli._errors import EXIT_UNREACHABLE, Failure
from flowtrail_collector.cli._output import Listing, console, line_width, print_words
from flowtrail_collector.wording import age, printable
from flowtrail_collector.wording import counted as count_of

_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 60.0
_BAR = 24
_LEAST_BAR = 5
_BESIDE_BAR = 15  # a count, and blanks
_TITLES = {
    "by_error": "by error", "by_source_topic": "by topic they came from", "by_age": "by age",
    "by_target": "would go to", "refused": "would stay",
}  # fmt: skip


def print_survey(counted: dict[str, Any]) -> None:
    """What a redrive would do."""
    out = console()
    print_words(
        out, f"{count_of(counted['total'], 'dead letter')} {'matches' if counted['total'] == 1 else 'match'}"
    )
    for name, title in _TITLES.items():
        rows = counted[name]
        if not rows:
            continue
        out.print(title)
        names = [printable(row["name"]) for row in rows]
        bars = _bars([row["count"] for row in rows], _bar_cells(out, names))
        for row, bar, shown in zip(rows, bars, names, strict=True):
            print_words(out, f"  {row['count']:>9}  {bar}{shown}", indent=13)
    if counted["unmeasured"]:
        missed = f"not checked: {counted['unmeasured']}; some may be too large, or their values gone"
        print_words(out, missed, indent=2)


def _bar_cells(out: Console, names: list[str]) -> int:
    """How much room names leave for bars; where there is hardly any, there are none."""
    width = line_width(out)
    room = _BAR if width is None else min(_BAR, width - _BESIDE_BAR - max(map(cell_len, names)))
    return room if room >= _LEAST_BAR else 0


def _bars(counts: list[int], cells: int) -> list[str]:
    longest = max(counts)
    drawn = ("█" * max(1, round(cells * count / longest)) for count in counts)
    return [f"{bar:<{cells}}  " if cells else "" for bar in drawn]


def follow(client: CollectorClient, job: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Wait for the end of a redrive; the bar goes to standard error, if that is a terminal.

    A collector that is restarted meanwhile goes on with it: the wait goes on, too.

    Raises:
        Failure: It didn't answer for a minute.
    """
    path = f"/api/v1/redrives/{quote(job['id'], safe='')}"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = Console(stderr=True, emoji=False, markup=False, quiet=quiet or not sys.stderr.isatty())
    answered = time.monotonic()
    with Progress(*columns, console=shown, transient=True) as progress:
        task = progress.add_task("redriving", total=job["total"])
        while job["state"] == "running":
            time.sleep(_POLL_SECONDS)
            try:
                job = client.get(path)
            except Failure as failure:
                if failure.exit_code != EXIT_UNREACHABLE or time.monotonic() - answered > _PATIENCE_SECONDS:
                    raise
                progress.update(task, description="collector doesn't answer")
                continue
            answered = time.monotonic()
            what = "redriving" if job["problem"] is None else printable(job["problem"])
            progress.update(task, completed=job["total"] - job["left"], description=what)
    return job


def print_job(job: dict[str, Any]) -> None:
    """How a redrive stands, in one line, and why some were refused."""
    out = console()
    counts = f"{job['redriven']} redriven, {job['quarantined']} quarantined, {job['refused']} refused"
    left = f", {job['left']} left" if job["left"] else ""
    print_words(out, f"redrive {job['id']} {job['state']}: {counts}{left}", indent=2)
    for row in job["refusals"]:
        print_words(out, f"  {row['count']} stay: {printable(row['name'])}", indent=4)
    if job["problem"]:
        print_words(out, f"  {printable(job['problem'])}", indent=4)


def print_jobs(jobs: list[dict[str, Any]]) -> None:
    """Redrives as a table."""
    out = console()
    if not jobs:
        out.print("no redrives")
        return
    numbers = ("TOTAL", "REDRIVEN", "QUARANTINED", "REFUSED", "LEFT")
    columns = ("ID", "BEGAN", "BY", "STATE", *numbers)
    table = Listing(*columns, heads=("ID", "STATE"), numbers=numbers)
    for job in jobs:
        counts = [str(job[name.lower()]) for name in numbers]
        table.add_row(job["id"], age(job["created"]), printable(job["by"]), job["state"], *counts)
    table.print(out)
