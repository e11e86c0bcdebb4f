"""`flowtrail sagas`."""

from __future__ import annotations

from typing import Any

import click

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK
from flowtrail_collector.cli._options import limit_option
from flowtrail_collector.cli._output import console, plain_table, print_json
from flowtrail_collector.wording import age, printable

_OUTCOMES = ("open", "partial", "completed", "compensated", "failed", "timed_out", "retired")
_STYLES = {
    "completed": "green",
    "compensated": "yellow",
    "failed": "red",
    "timed_out": "red",
    "open": "blue",
    "partial": "dim",
}


@click.command()
@click.option("--flow", help="Only this flow.")
@click.option(
    "--outcome",
    type=click.Choice(_OUTCOMES),
    help="Only those that ended so, are open, or are open without a start that was seen (partial).",
)
@click.option("--step", help="Only those open at this step.")
@click.option("--stuck", is_flag=True, help="Only those past the deadline of a step.")
@limit_option(50)
@collector_options
def sagas(
    client: CollectorClient,
    as_json: bool,
    flow: str | None,
    outcome: str | None,
    step: str | None,
    stuck: bool,
    limit: int,
) -> int:
    """List saga instances, those that need attention first.

    With --stuck, exit code 1 says that there are some.
    """
    query = {"flow": flow, "outcome": outcome, "step": step, "limit": limit}
    data = client.get("/api/v1/sagas", query | {"stuck": "true" if stuck else None})
    if as_json:
        print_json(data)
    else:
        _print_sagas(data["sagas"], limit)
    return EXIT_FINDINGS if stuck and data["sagas"] else EXIT_OK


def _name(saga: dict[str, Any]) -> str:
    """Its key, with its number if it isn't the first one under that."""
    key = printable(saga["key"])
    return f"{key} #{saga['instance']}" if saga["instance"] > 1 else key


def _print_sagas(sagas: list[dict[str, Any]], limit: int) -> None:
    out = console()
    if not sagas:
        out.print("no sagas match")
        return
    table = plain_table("FLOW", "KEY", "OUTCOME", "STARTED", "WAITS FOR", "BY", "DEADLINE")
    for saga in sagas:
        waiting = [step for step in saga["steps"] if step["state"] == "open"] if not saga["ended"] else []
        deadlines = [step["deadline"] for step in waiting if step["deadline"]]
        table.add_row(
            printable(saga["flow"]),
            _name(saga),
            saga["outcome"].replace("_", " ") + (" (stuck)" if saga["stuck"] else ""),
            age(saga["started"]),
            printable(", ".join(step["name"] for step in waiting)),
            printable(", ".join(dict.fromkeys(step["by"] for step in waiting if step["by"]))),
            age(min(deadlines)) if deadlines else "",
            style="red" if saga["stuck"] else _STYLES.get(saga["outcome"]),
        )
    out.print(table)
    for saga in sagas:
        if saga["reason"]:
            out.print(f"{_name(saga)}: {printable(saga['reason'])}", style="yellow", soft_wrap=True)
    if len(sagas) == limit:
        out.print(f"the first {limit}; --limit shows more", style="dim")
