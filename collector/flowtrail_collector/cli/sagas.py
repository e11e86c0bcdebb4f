"""`flowtrail sagas`."""

from __future__ import annotations

from typing import Any

import click

from flowtrail_collector.cli import _values as values
from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK
from flowtrail_collector.cli._options import limit_option
from flowtrail_collector.cli._output import Listing, console, print_json, print_words
from flowtrail_collector.sagas.words import expected_words, past_words, risk_words
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
@click.option("--flow", shell_complete=values.flows, help="Only this flow.")
@click.option(
    "--outcome",
    type=click.Choice(_OUTCOMES),
    help="Only instances with this outcome; partial: open, but their start was never seen.",
)
@click.option("--step", shell_complete=values.steps, help="Only those open at this step.")
@click.option("--stuck", is_flag=True, help="Only those past the deadline of a step.")
@click.option("--predicted", is_flag=True, help="Only those that will probably miss a deadline.")
@click.option(
    "--cause",
    shell_complete=values.stuck_causes,
    help="Only those stuck for this cause, as listed by `flowtrail stuck`.",
)
@limit_option(50)
@collector_options
def sagas(
    client: CollectorClient,
    as_json: bool,
    flow: str | None,
    outcome: str | None,
    step: str | None,
    stuck: bool,
    predicted: bool,
    cause: str | None,
    limit: int,
) -> int:
    """List saga instances, those that need attention first.

    With --stuck or --predicted, exit code 1 says that there are some.
    """
    query = {"flow": flow, "outcome": outcome, "step": step, "cause": cause, "limit": limit}
    query |= {name: "true" for name, asked in (("stuck", stuck), ("predicted", predicted)) if asked}
    data = client.get("/api/v1/sagas", query)
    if as_json:
        print_json(data)
    else:
        _print_sagas(data["sagas"], limit)
    return EXIT_FINDINGS if (stuck or predicted) and data["sagas"] else EXIT_OK


def _name(saga: dict[str, Any]) -> str:
    """Its key, with its number if it isn't the first one under that."""
    key = printable(saga["key"])
    return f"{key} #{saga['instance']}" if saga["instance"] > 1 else key


def _print_sagas(sagas: list[dict[str, Any]], limit: int) -> None:
    out = console()
    if not sagas:
        out.print("no sagas match")
        return
    columns = ("FLOW", "KEY", "OUTCOME", "STARTED", "WAITS FOR", "BY", "DEADLINE", "EXPECTED END")
    table = Listing(*columns, heads=("KEY", "FLOW", "OUTCOME"))
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
            expected_words(saga),
            style="red" if saga["stuck"] else _STYLES.get(saga["outcome"], ""),
        )
    table.print(out)
    for saga in sagas:
        said = [printable(saga["reason"])] if saga["reason"] else []
        for sentence in (*said, *risk_words(saga), *past_words(saga)):
            print_words(out, f"{_name(saga)}: {sentence}", indent=2, style="yellow")
    if len(sagas) == limit:
        out.print(f"the first {limit}; --limit shows more", style="dim")
