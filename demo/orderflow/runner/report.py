"""What the demo prints at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orderflow.runner.errors import DemoError
from orderflow.runner.scenarios import Scenario
from orderflow.runner.tally import OUTCOMES, Tally

PLAIN_WIDTH = 120
"""Columns of what is printed into a file or a pipe."""

_MEANINGS = {
    "completed": "shipped",
    "compensated": "card declined, stock put back, cancelled",
    "failed": "out of stock, cancelled",
    "timed_out": "took longer than the flow may",
}


class Report:
    """Prints the results.

    Args:
        console: Where to.
        collector_url: Whom the `flowtrail` command asks.
    """

    def __init__(self, console: Console, collector_url: str) -> None:
        self._console = console
        self._url = collector_url

    def heading(self, text: str) -> None:
        """A heading, with a blank line before it."""
        self._console.print(f"\n[bold]{escape(text)}[/bold]", highlight=False)

    def tally(self, ordered: int, expected: Mapping[str, int], tally: Tally) -> None:
        """What became of the orders, by the collector's metrics, beside what must have become of them."""
        self.heading("Tally, from the collector's metrics")
        table = Table(box=None, pad_edge=False)
        table.add_column("outcome")
        table.add_column("orders", justify="right")
        table.add_column("expected", justify="right")
        table.add_column("")
        for outcome in OUTCOMES:
            got, wanted = tally.ended.get(outcome, 0), expected.get(outcome, 0)
            if got or wanted:
                mark = "" if got == wanted else " [red](!)[/red]"
                table.add_row(outcome, str(got), str(wanted), escape(_MEANINGS[outcome]) + mark)
        table.add_row(
            "open", str(tally.open), "0", "" if not tally.open else "still under way [red](!)[/red]"
        )
        self._console.print(table)
        sums = " + ".join(
            str(tally.ended.get(outcome, 0)) for outcome in ("completed", "compensated", "failed")
        )
        late = f" + {tally.ended['timed_out']} timed out" if tally.ended.get("timed_out") else ""
        self._console.print(
            f"ordered {ordered}; completed + compensated + failed + open = {sums} + {tally.open}{late} "
            f"= {tally.settled + tally.open}",
            highlight=False,
        )

    def scenarios(self, counts: Mapping[Scenario, int]) -> None:
        """What was ordered."""
        self.heading("Ordered")
        parts = [f"{count} {scenario.value}" for scenario, count in counts.items()]
        self._console.print(
            escape(", ".join(parts) + "; and one poison event among the payments"), highlight=False
        )

    def command(self, title: str, *arguments: str) -> None:
        """Run `flowtrail ARGUMENTS` and show what it prints.

        Raises:
            DemoError: It failed.
        """
        self.heading(title)
        self._console.print(f"[dim]$ flowtrail {escape(' '.join(arguments))}[/dim]", highlight=False)
        self._console.file.flush()
        environment = {**os.environ, "FLOWTRAIL_COLLECTOR_URL": self._url}
        environment.setdefault(
            "COLUMNS", str(self._console.width if self._console.is_terminal else PLAIN_WIDTH)
        )
        done = subprocess.run(
            [sys.executable, "-m", "flowtrail_collector", *arguments],
            env=environment,
            stdout=None if self._console.file is sys.stdout else subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
            text=True,
            check=False,
        )
        if done.stdout:
            self._console.file.write(done.stdout)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            raise DemoError(
                f"flowtrail {' '.join(arguments)} failed: {lines[-1] if lines else done.returncode}"
            )

    def figures(self, wall_seconds: float, rss_bytes: int | None) -> None:
        """Wall time and memory."""
        self.heading("Figures")
        memory = "unknown here" if rss_bytes is None else f"{rss_bytes / 1e6:.0f} MB"
        self._console.print(
            f"wall time {wall_seconds:.1f} s, collector's resident memory {memory}", highlight=False
        )
