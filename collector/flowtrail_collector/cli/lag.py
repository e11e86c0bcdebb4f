"""`flowtrail lag`: who is behind, worst first."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._output import console, print_json
from flowtrail_collector.wording import format_seconds, printable

_STYLES = {
    "ok": "green",
    "rewound": "cyan",
    "behind": "yellow",
    "stalled": "red",
    "stopped": "red",
    "losing": "bold red",
    "beyond": "bold red",
}
_MEANINGS = {
    "rewound": "its offsets went back",
    "behind": "reads slower than is written",
    "stalled": "has members, commits nothing",
    "stopped": "has no members",
    "losing": "retention removed records before it read them",
    "beyond": "committed past the end of the log",
}


@click.command()
@click.option("--group", help="Show one group, with its partitions.")
@click.option("--watch", is_flag=True, help="Keep showing, until interrupted.")
@click.option("--interval", type=click.FloatRange(min=0.2), default=2.0, show_default=True,
              help="Seconds between two looks with --watch.")  # fmt: skip
@collector_options
def lag(client: CollectorClient, as_json: bool, group: str | None, watch: bool, interval: float) -> None:
    """How far behind each consumer group is, in messages and in seconds.

    Groups that need attention come first.
    """
    if watch:
        _watch(client, group, interval, as_json)
    elif as_json:
        print_json(_read(client, group))
    else:
        console().print(_page(_read(client, group), group))


def _read(client: CollectorClient, group: str | None) -> dict[str, Any]:
    data: dict[str, Any] = client.get("/api/v1/lag", {"group": group})
    return data


def _watch(client: CollectorClient, group: str | None, interval: float, as_json: bool) -> None:
    # The alternate screen would hide the last table when the user leaves: it should stay.
    shown = nullcontext() if as_json else Live(console=console(), auto_refresh=False, screen=False)
    with suppress(KeyboardInterrupt), shown as live:
        while True:
            data = _read(client, group)
            if live is None:
                print_json(data)
            else:
                live.update(_page(data, group), refresh=True)
            time.sleep(interval)


def _page(data: dict[str, Any], group: str | None) -> RenderableType:
    parts: list[RenderableType] = [_partitions(data["groups"][0]) if group else _overview(data["groups"])]
    parts += [
        Text(f"{failure['scope']} {printable(failure['name'])}: {printable(failure['reason'])}", style="red")
        for failure in data["failures"]
    ]
    return Group(*parts)


def _overview(groups: list[dict[str, Any]]) -> RenderableType:
    if not groups:
        return Text("No consumer groups.")
    table = _table("GROUP", "STATUS", "LAG", "WAITING", "CATCHES UP", "LOST", "STATE", "MEMBERS", "TOPICS")
    for entry in groups:
        table.add_row(
            printable(entry["group"]),
            _status(entry["status"]),
            _count(entry["lag"]),
            _span(entry["lag_seconds"]),
            _catch_up(entry),
            str(entry["messages_lost"] or ""),
            entry["state"],
            _count(entry["members"]),
            _topics(entry["topics"]),
        )
    return table


def _partitions(entry: dict[str, Any]) -> RenderableType:
    head = Text.assemble(
        (printable(entry["group"]), "bold"), "  ", _status(entry["status"]),
        f"  {_MEANINGS.get(entry['status'], '')}  {entry['type']} group, {entry['state']}",
    )  # fmt: skip
    topics = _table(
        "TOPIC", "STATUS", "LAG", "WAITING", "CATCHES UP", "READ/S", "WRITTEN/S", "MARGIN", "LOST"
    )
    for topic in entry["topics"]:
        topics.add_row(
            printable(topic["topic"]),
            _status(topic["status"]),
            _count(topic["lag"]),
            _span(topic["lag_seconds"]),
            _span(topic["catch_up_seconds"]),
            _count(topic["consumed_per_second"]),
            _count(topic["produced_per_second"]),
            _count(topic["retention_margin"]),
            str(topic["messages_lost"] or ""),
        )
    table = _table("TOPIC", "PARTITION", "STATUS", "OFFSET", "END", "LAG", "WAITING")
    for row in sorted(entry["partitions"], key=lambda row: -(row["lag"] or 0)):
        table.add_row(
            printable(row["topic"]),
            str(row["partition"]),
            _status(row["status"]),
            _count(row["offset"]),
            _count(row["end"]),
            _count(row["lag"]),
            _span(row["lag_seconds"]),
        )
    return Group(head, topics, table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    left = ("GROUP", "TOPIC", "STATUS", "STATE", "TOPICS")
    for column in columns:
        table.add_column(
            column,
            justify="left" if column in left else "right",
            no_wrap=column != "TOPICS",
            overflow="ellipsis",
        )
    return table


def _status(status: str | None) -> Text:
    return Text(status or "?", style=_STYLES.get(status or "", "dim"))


def _topics(topics: list[dict[str, Any]], shown: int = 3) -> str:
    """The topics that need attention first, and how many more there are."""
    worst = sorted(topics, key=lambda topic: (-(topic["lag_seconds"] or 0), -(topic["lag"] or 0)))
    names = ", ".join(printable(topic["topic"]) for topic in worst[:shown])
    return names if len(topics) <= shown else f"{names} and {len(topics) - shown} more"


def _count(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _span(seconds: float | None) -> str:
    return "?" if seconds is None else format_seconds(seconds)


def _catch_up(entry: dict[str, Any]) -> str:
    if entry["catching_up"] is False:
        # A record or two are always under way in a group that reads as fast as is written.
        return "keeps pace" if entry["status"] == "ok" else "never"
    return _span(entry["catch_up_seconds"])
