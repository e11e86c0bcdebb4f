"""`flowtrail dlq`."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_OK
from flowtrail_collector.cli._output import age, console, print_json, printable

_STATES = ("pending", "redriven", "dismissed")


@click.group()
def dlq() -> None:
    """Dead letters."""


@dlq.command("list")
@click.option("--topic", help="Only this dead letter topic.")
@click.option("--group", help="Only those given up by this consumer group.")
@click.option("--error", "error_type", help="Only this error type.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@collector_options
def list_dead_letters(
    client: CollectorClient,
    as_json: bool,
    topic: str | None,
    group: str | None,
    error_type: str | None,
    state: str | None,
    limit: int,
) -> int:
    """List dead letters, newest first."""
    query = {"topic": topic, "group": group, "error": error_type, "state": state, "limit": limit}
    data = client.get("/api/v1/dead-letters", query)
    if as_json:
        print_json(data)
    else:
        _print_dead_letters(data["dead_letters"], limit)
    return EXIT_OK


def _print_dead_letters(letters: list[dict[str, Any]], limit: int) -> None:
    out = console()
    if not letters:
        out.print("no dead letters match")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("FAILED", "GROUP", "EVENT", "SUBJECT", "ERROR", "TRIES", "STATE", "WHERE"):
        table.add_column(name, justify="right" if name == "TRIES" else "left", overflow="fold")
    for letter in letters:
        error = ": ".join(part for part in (letter["error_type"], letter["error_message"]) if part)
        attempts = letter["attempts"]
        table.add_row(
            age(letter["failed"]),
            printable(letter["group"] or "?"),
            printable(letter["event_type"] or "?"),
            printable(letter["subject"] or ""),
            printable(error[:120]),
            "" if attempts is None else str(attempts),
            letter["state"],
            printable(f"{letter['topic']}/{letter['partition']}@{letter['offset']}"),
            style="red" if letter["state"] == "pending" else "dim",
        )
    out.print(table)
    if len(letters) == limit:
        out.print(f"the newest {limit}; --limit shows more", style="dim")
