"""`flowtrail stuck`."""

from __future__ import annotations

from typing import Any

import click

from flowtrail_collector.cli import _values as values
from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK
from flowtrail_collector.cli._options import limit_option
from flowtrail_collector.cli._output import Listing, console, print_json, print_words
from flowtrail_collector.sagas.words import cause_words, redrive_command
from flowtrail_collector.wording import age, printable

_STATES = ("late", "timed_out")


@click.command()
@click.option("--flow", shell_complete=values.flows, help="Only this flow.")
@click.option("--step", shell_complete=values.steps, help="Only at this step.")
@click.option(
    "--state",
    type=click.Choice(_STATES),
    help="Only open instances past a deadline (late), or those that timed out within the last day (timed_out).",
)
@limit_option(20)
@collector_options
def stuck(
    client: CollectorClient,
    as_json: bool,
    flow: str | None,
    step: str | None,
    state: str | None,
    limit: int,
) -> int:
    """Show why instances are stuck, by cause, the most recent first.

    A cause is a flow, a step, and why instances wait there: how many do, since when, and one of them as an example.
    `flowtrail sagas --cause` lists the instances of one.

    Exit code 1: some are stuck.
    """
    data = client.get("/api/v1/sagas/causes", {"flow": flow, "step": step, "state": state, "limit": limit})
    if as_json:
        print_json(data)
    else:
        _print_causes(data["causes"], limit)
    return EXIT_FINDINGS if data["causes"] else EXIT_OK


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["cause"],
        str(row["count"]),
        printable(row["flow"]),
        printable(row["step"] or ""),
        printable(row["by"] or ""),
        row["state"].replace("_", " "),
        age(row["first"]),
        age(row["last"]),
        str(row["last_hour"]),
        row["trend"],
        printable(row["example"]["key"]),
    )


def _print_causes(causes: list[dict[str, Any]], limit: int) -> None:
    out = console()
    if not causes:
        out.print(
            "nothing is stuck: no open instance is past a deadline, and none timed out within the last day"
        )
        return
    columns = (
        "CAUSE",
        "COUNT",
        "FLOW",
        "STEP",
        "BY",
        "STATE",
        "FIRST",
        "LAST",
        "LAST HOUR",
        "TREND",
        "EXAMPLE",
    )
    table = Listing(*columns, heads=("CAUSE", "COUNT", "FLOW"), numbers=("COUNT", "LAST HOUR"))
    for row in causes:
        table.add_row(*_cells(row), style="red" if row["trend"] == "rising" else "")
    table.print(out)
    print_words(
        out,
        "COUNT is how many orders are stuck for a cause, LAST HOUR how many of them got stuck within the last hour.",
    )
    for row in causes:
        print_words(out, f"{row['cause']}: {printable(cause_words(row))}", indent=2)
        if command := redrive_command(row):
            print_words(out, f"  to send back its dead letters: {printable(command)}", indent=4)
    if len(causes) == limit:
        out.print(f"the newest {limit}; --limit shows more", style="dim")
