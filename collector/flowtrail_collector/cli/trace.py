"""`flowtrail trace ID`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from flowtrail_collector.cli import _values as values
from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, Failure
from flowtrail_collector.cli._options import limit_option
from flowtrail_collector.cli._output import Listing, console, print_json, print_words
from flowtrail_collector.cli._trail_view import TrailView
from flowtrail_collector.wording import counted, printable

_FOLLOW_SECONDS = 1.0


@click.command()
@click.argument("id", shell_complete=values.ids)
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a self-contained HTML page instead, to attach to a ticket.",
)
@click.option("--follow", is_flag=True, help="Redraw whenever it grows, until its sagas have ended.")
@limit_option(50)
@collector_options
def trace(
    client: CollectorClient, as_json: bool, id: str, html_file: Path | None, follow: bool, limit: int
) -> int:
    """Show one order's whole trail.

    ID is an order id, an event id, a correlation id or a trace id. Exit code 1: nothing is known of it, or it
    belongs to several flows.
    """
    found = client.get(f"/api/v1/trails/{quote(id, safe='')}")
    if html_file is not None and "trail" in found:
        _write_html(html_file, found["trail"], id)
    elif as_json:
        print_json(found)
    elif "trail" in found:
        TrailView(console(), found["trail"]).print()
        if follow:
            _follow(client, id, found["trail"])
    else:
        _print_matches(id, found["matches"], limit)
        return EXIT_FINDINGS
    return EXIT_OK


def _write_html(path: Path, trail: dict[str, Any], wanted: str) -> None:
    from flowtrail_collector.console import trail_document

    try:
        path.write_text(trail_document(trail, wanted), encoding="utf-8", errors="replace")
    except OSError as error:
        raise Failure(f"--html {path} can't be written: {error.strerror}", EXIT_USAGE) from error
    print_words(console(), str(path))


def _follow(client: CollectorClient, wanted: str, shown: dict[str, Any]) -> None:
    """Draws the trail again when it has grown; a trail without a saga is followed until interrupted."""
    while not (shown["sagas"] and all(saga["ended"] for saga in shown["sagas"])):
        time.sleep(_FOLLOW_SECONDS)
        trail = client.get(f"/api/v1/trails/{quote(wanted, safe='')}").get("trail")
        if trail and _news(trail) != _news(shown):
            out = console()
            if out.is_terminal:
                out.clear()
            else:
                out.print()
            TrailView(out, trail).print()
            shown = trail


def _news(trail: dict[str, Any]) -> object:
    """What a trail is drawn again for: not for the time that goes by, only when it makes something late."""
    return (
        len(trail["entries"]),
        [{**saga, "forecast": _risks(saga)} for saga in trail["sagas"]],
        [(item["step"], item["overdue"]) for item in trail["missing"]],
    )


def _risks(saga: dict[str, Any]) -> list[str | None]:
    """What is expected changes all the time; that a deadline will be missed is news."""
    return [risk["step"] for risk in (saga.get("forecast") or {"risks": ()})["risks"]]


def _print_matches(wanted: str, matches: list[dict[str, Any]], limit: int) -> None:
    out = console()
    print_words(out, f"{printable(wanted)} belongs to {len(matches)} flows; name one by its correlation id:")
    columns = ("CORRELATION ID", "STARTED", "FLOW", "OUTCOME", "EVENTS", "SUBJECTS")
    table = Listing(*columns, heads=("CORRELATION ID",), numbers=("EVENTS",))
    for match in matches[:limit]:
        table.add_row(
            printable(match["correlation_id"]),
            match["started"] or "",
            printable(", ".join(match["flows"])),
            ", ".join(match["outcomes"]),
            str(match["events"]),
            printable(", ".join(match["subjects"][:3])),
        )
    table.print(out)
    if len(matches) > limit:
        print_words(
            out, f"{counted(len(matches) - limit, 'flow')} not shown; --limit shows more", style="dim"
        )
