"""`flowtrail lag`: who is behind, worst first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from flowtrail_collector.cli import _values as values
from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._options import limit_option
from flowtrail_collector.cli._output import Listing, console, line_width, print_json, wrapped
from flowtrail_collector.cli._styles import GROUP_STYLES, group_style
from flowtrail_collector.lag.outages import trouble_lines
from flowtrail_collector.lag.words import catch_up_words
from flowtrail_collector.wording import counted, format_seconds, printable, unmistakable

Query = dict[str, Any]

_NUMBERS = (
    "LAG", "OLDEST UNREAD", "TIME TO CATCH UP", "LOST", "MEMBERS", "READ/S", "WRITTEN/S", "MARGIN", "PARTITION", "OFFSET", "END",
)  # fmt: skip


@click.command()
@click.option(
    "--group",
    shell_complete=values.groups,
    help='Show one group, with its partitions; "" is the group without a name.',
)
@click.option("--name", shell_complete=values.groups, help="Show only groups whose name contains this.")
@limit_option(100)
@click.option("--watch", is_flag=True, help="Refresh until interrupted.")
@click.option("--interval", type=click.FloatRange(min=0.2), default=2.0, show_default=True,
              help="Seconds between refreshes with --watch.")  # fmt: skip
@collector_options
def lag(
    client: CollectorClient,
    as_json: bool,
    group: str | None,
    name: str | None,
    limit: int,
    watch: bool,
    interval: float,
) -> None:
    """How far behind each consumer group is, in messages and in seconds.

    Groups that need attention come first.
    """
    if group is not None and name is not None:
        raise click.UsageError("--group shows one group: it can't be combined with --name")
    query = {"name": name, "limit": limit} if group is None else {"group": group}
    if watch:
        _watch(client, query, interval, limit, as_json)
    elif as_json:
        print_json(_read(client, query))
    else:
        out = console()
        out.print(_page(_read(client, query), out, limit), soft_wrap=True)


def _read(client: CollectorClient, query: Query) -> dict[str, Any]:
    data: dict[str, Any] = client.get("/api/v1/lag", query)
    return data


def _watch(client: CollectorClient, query: Query, interval: float, limit: int, as_json: bool) -> None:
    # The alternate screen would hide the last table when the user leaves: it should stay.
    out = console()
    shown = nullcontext() if as_json else Live(console=out, auto_refresh=False, screen=False)
    with suppress(KeyboardInterrupt), shown as live:
        while True:
            data = _read(client, query)
            if live is None:
                print_json(data)
            else:
                live.update(_page(data, out, limit), refresh=True)
            time.sleep(interval)


def _page(data: dict[str, Any], out: Console, limit: int) -> RenderableType:
    one = "left_out" not in data
    parts = [*(_partitions(data["groups"][0], out, limit) if one else _overview(data["groups"], out))]
    if not one:
        parts += _not_shown(data["left_out"], "group")
    for line in trouble_lines({}, data["failures"], data["unread"]):
        parts += wrapped(Text(printable(line), style="red"), line_width(out), 2)
    return Group(*parts)


def _not_shown(number: int, what: str) -> Iterator[Text]:
    if number > 0:
        yield Text(f"{counted(number, what)} not shown; --limit shows more", style="dim")


def _overview(groups: list[dict[str, Any]], out: Console) -> Iterator[Text]:
    if not groups:
        yield Text("No consumer groups.")
        return
    table = Listing(
        "GROUP", "STATUS", "LAG", "OLDEST UNREAD", "TIME TO CATCH UP", "LOST", "STATE", "MEMBERS", "TOPICS",
        heads=("GROUP", "STATUS"), numbers=_NUMBERS,
    )  # fmt: skip
    for entry in groups:
        table.add_row(
            unmistakable(entry["group"]),
            entry["verdict"] or "?",
            _count(entry["lag"]),
            _span(entry["lag_seconds"]),
            catch_up_words(entry) or "?",
            str(entry["messages_lost"] or ""),
            entry["state"],
            _count(entry["members"]),
            _topics(entry["topics"]),
            style=group_style(entry),
        )
    yield from table.lines(out)


def _partitions(entry: dict[str, Any], out: Console, limit: int) -> Iterator[Text]:
    head = Text.assemble(
        (unmistakable(entry["group"]), "bold"), "  ",
        (entry["verdict"] or "?", group_style(entry)),
        f"  {entry['says'] or ''}  {entry['type']} group, {entry['state']}",
    )  # fmt: skip
    yield from wrapped(head, line_width(out), 2)
    if entry["uncommitted_lag"] is not None:
        yield from wrapped(_unread(entry), line_width(out), 2)
    topics = sorted(entry["topics"], key=_worst_first)
    yield from _by_topic(topics[:limit]).lines(out)
    yield from _not_shown(len(topics) - limit, "topic")
    partitions = sorted(entry["partitions"], key=lambda row: -(row["lag"] or 0))
    yield from _by_partition(partitions[:limit]).lines(out)
    yield from _not_shown(len(partitions) - limit, "partition")


def _by_topic(rows: Iterable[dict[str, Any]]) -> Listing:
    topics = Listing(
        "TOPIC", "STATUS", "LAG", "OLDEST UNREAD", "TIME TO CATCH UP", "READ/S", "WRITTEN/S", "MARGIN", "LOST",
        heads=("TOPIC", "STATUS"), numbers=_NUMBERS,
    )  # fmt: skip
    for row in rows:
        topics.add_row(
            unmistakable(row["topic"]),
            _status(row["status"]),
            _count(row["lag"]),
            _span(row["lag_seconds"]),
            catch_up_words(row) or "?",
            _count(row["consumed_per_second"]),
            _count(row["produced_per_second"]),
            _count(row["retention_margin"]),
            str(row["messages_lost"] or ""),
            style=GROUP_STYLES.get(row["status"], ""),
        )
    return topics


def _by_partition(rows: Iterable[dict[str, Any]]) -> Listing:
    table = Listing(
        "TOPIC", "PARTITION", "STATUS", "OFFSET", "END", "LAG", "OLDEST UNREAD",
        heads=("TOPIC", "STATUS"), numbers=_NUMBERS,
    )  # fmt: skip
    for row in rows:
        table.add_row(
            unmistakable(row["topic"]),
            str(row["partition"]),
            _status(row["status"]),
            _count(row["offset"]),
            _count(row["end"]),
            _count(row["lag"]),
            _span(row["lag_seconds"]),
            style=GROUP_STYLES.get(row["status"], ""),
        )
    return table


def _unread(entry: dict[str, Any]) -> str:
    """What waits where nothing was committed: Kafka doesn't tell where the group would start."""
    count, unread = counted(entry["uncommitted_partitions"], "partition"), entry["uncommitted_lag"]
    return (
        f"{count} held without a commit: {_count(unread['earliest'])} unread with auto.offset.reset=earliest, "
        f"{_count(unread['latest'])} with latest"
    )


def _status(status: str | None) -> str:
    return status or "?"


def _topics(topics: list[dict[str, Any]], shown: int = 3) -> str:
    """The topics that need attention first, and how many more there are."""
    worst = sorted(topics, key=_worst_first)
    names = ", ".join(unmistakable(topic["topic"]) for topic in worst[:shown])
    return names if len(topics) <= shown else f"{names} and {len(topics) - shown} more"


def _worst_first(topic: dict[str, Any]) -> tuple[float, float]:
    return -(topic["lag_seconds"] or 0), -(topic["lag"] or 0)


def _count(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _span(seconds: float | None) -> str:
    return "?" if seconds is None else format_seconds(seconds)
