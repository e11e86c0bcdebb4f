"""`flowtrail oncall`."""

from __future__ import annotations

from typing import Any

import click

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK
from flowtrail_collector.cli._output import console, print_json, print_words
from flowtrail_collector.oncall.words import (
    checked_words,
    ended_words,
    lasting_words,
    since_words,
    starting_words,
    touched_words,
    watched_words,
)
from flowtrail_collector.wording import printable

_SERIOUS = ("broker", "collector", "group", "lost", "stuck")


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 50),
    default=20,
    show_default=True,
    help="Maximum number to show.",
)
@collector_options
def oncall(client: CollectorClient, as_json: bool, limit: int) -> int:
    """Show what went wrong within the last 30 minutes, what affects the most orders first.

    Groups that stopped, fell behind or lost messages; instances that are stuck, time out, fail or are compensated more
    often than before; new causes of dead letters, and those that are more frequent; what can't be read
    from brokers; and the collector's own problems. Each comes with the command that shows more.

    Exit code 1: something did.
    """
    data = client.get("/api/v1/oncall", {"limit": limit})
    if as_json:
        print_json(data)
    else:
        _print(data)
    return EXIT_FINDINGS if data["changes"] else EXIT_OK


def _print(data: dict[str, Any]) -> None:
    out = console()
    if not data["changes"]:
        print_words(out, "Nothing went wrong within the last 30 minutes.", style="green")
    for number, change in enumerate(data["changes"], 1):
        style = "dim" if change["ended"] else "red" if change["kind"] in _SERIOUS else "yellow"
        head = f"{number}."
        margin = len(head) + 1
        print_words(out, f"{head} {printable(change['text'])}", indent=margin, style=style)
        facts = [touched_words(change), f"began {since_words(change)}", ended_words(change)]
        print_words(out, " " * margin + ", ".join(fact for fact in facts if fact), indent=margin)
        commands = [change["command"], change["trail"] and f"flowtrail trace {change['trail']}"]
        for command in commands:
            if command:
                print_words(out, " " * margin + printable(command), indent=margin + 2, style="dim")
    if data["left_out"]:
        out.print(f"{data['left_out']} more; --limit shows up to 50", style="dim")
    for words in (starting_words(data), lasting_words(data), checked_words(data), watched_words(data)):
        if words:
            print_words(out, words)
