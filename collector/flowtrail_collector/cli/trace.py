"""`flowtrail trace ID`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click
from rich.table import Table

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK
from flowtrail_collector.cli._output import console, print_json, printable
from flowtrail_collector.cli._trail_view import TrailView


@click.command()
@click.argument("id")
@collector_options
def trace(client: CollectorClient, as_json: bool, id: str) -> int:
    """Show one order's whole trail.

    ID is an order id, an event id, a correlation id or a trace id. Exit code 1: nothing is known of it.
    """
    found = client.get(f"/api/v1/trails/{quote(id, safe='')}")
    if as_json:
        print_json(found)
    elif "trail" in found:
        TrailView(console(), found["trail"]).print()
    else:
        _print_matches(id, found["matches"])
        return EXIT_FINDINGS
    return EXIT_OK


def _print_matches(wanted: str, matches: list[dict[str, Any]]) -> None:
    out = console()
    out.print(f"{printable(wanted)} belongs to {len(matches)} flows; name one by its correlation id:")
    table = Table(box=None, pad_edge=False)
    for name in ("CORRELATION ID", "STARTED", "FLOW", "OUTCOME", "EVENTS", "SUBJECTS"):
        table.add_column(name, justify="right" if name == "EVENTS" else "left", overflow="fold")
    for match in matches:
        table.add_row(
            printable(match["correlation_id"]),
            match["started"] or "",
            printable(", ".join(match["flows"])),
            ", ".join(match["outcomes"]),
            str(match["events"]),
            printable(", ".join(match["subjects"][:3])),
        )
    out.print(table)
