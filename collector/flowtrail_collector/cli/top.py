"""`flowtrail top`: groups, flows and dead letters as they are now, until somebody leaves."""

from __future__ import annotations

import threading
import time

import click

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_OK, EXIT_UNREACHABLE, Failure
from flowtrail_collector.cli._options import limit_option
from flowtrail_collector.cli._output import console, line_width, print_json
from flowtrail_collector.cli._top_figures import Figures, read_figures
from flowtrail_collector.cli._top_keys import OwnTerminal
from flowtrail_collector.cli._top_screen import screen

_KEYS = "q: quit"
_REDRAW_SECONDS = 1.0


@click.command()
@click.option("--once", is_flag=True, help="Print it once and exit, as it does without a terminal.")
@click.option("--interval", type=click.FloatRange(min=0.2), default=2.0, show_default=True,
              help="Seconds between two requests.")  # fmt: skip
@limit_option(100)
@collector_options
def top(client: CollectorClient, as_json: bool, once: bool, interval: float, limit: int) -> int:
    """Show groups, flows, stuck instances and dead letters, kept up to date.

    It ends with q or Ctrl-C; the space bar refreshes at once. While the collector can't be reached, it says so and
    keeps trying. With --json it prints everything once.
    """
    out = console()
    if as_json:
        print_json(read_figures(client, limit).as_json())
    elif once or not out.is_terminal:
        for line in screen(read_figures(client, limit), "", line_width(out), None):
            out.print(line, soft_wrap=True)
    else:
        _watch(client, OwnTerminal(out), interval, limit)
    return EXIT_OK


def _watch(client: CollectorClient, terminal: OwnTerminal, interval: float, limit: int) -> None:
    reader = _Reader(client, terminal, interval, limit)
    with terminal.taken():
        reader.start()
        try:
            while (key := terminal.key(_REDRAW_SECONDS)) != "q":
                if key == " ":
                    reader.hurry.set()
                if reader.refusal is not None:
                    break
                terminal.show(screen(*reader.seen, *terminal.size, _KEYS))
        finally:
            reader.leave()
    if reader.refusal is not None:
        raise reader.refusal


class _Reader(threading.Thread):
    """Asks the collector again and again, beside the keys: one that hangs doesn't keep anybody from leaving."""

    def __init__(self, client: CollectorClient, terminal: OwnTerminal, interval: float, limit: int) -> None:
        super().__init__(name="flowtrail-top", daemon=True)
        self._client = client
        self._terminal = terminal
        self._interval = interval
        self._limit = limit
        self._left = threading.Event()
        self.hurry = threading.Event()
        self.seen: tuple[Figures | None, str] = (None, "")
        self.refusal: Failure | None = None

    def leave(self) -> None:
        """Say that nobody looks any more."""
        self._left.set()
        self.hurry.set()

    def run(self) -> None:
        """Until somebody leaves, or the collector refuses."""
        while not self._left.is_set() and self.refusal is None:
            began = time.monotonic()
            try:
                self.seen = (read_figures(self._client, self._limit), "")
            except Failure as failure:
                self._failed(failure)
            except Exception:
                # Who leaves closes the connection under a request that hangs.
                if not self._left.is_set():
                    raise
            self._terminal.news()
            self.hurry.wait(max(0.0, self._interval - (time.monotonic() - began)))
            self.hurry.clear()

    def _failed(self, failure: Failure) -> None:
        if failure.exit_code == EXIT_UNREACHABLE:
            self.seen = (self.seen[0], f"no collector answers at {self._client.url}; trying again")
        else:
            self.refusal = failure
