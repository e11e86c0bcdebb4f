"""`flowtrail flows diff` and `flowtrail flows apply`: what another flow file changes for what is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, Failure
from flowtrail_collector.cli._options import FILE_OR_URL, json_option
from flowtrail_collector.cli._output import console, print_complaint, print_json, print_words
from flowtrail_collector.settings import parse_store
from flowtrail_collector.units import iso_time_ms, parse_duration
from flowtrail_collector.wording import counted, printable

if TYPE_CHECKING:
    from flowtrail_collector.ingest.sql.postgres import PostgresStore
    from flowtrail_collector.ingest.sql.sqlite import SqliteStore
    from flowtrail_collector.sagas.folding import Folded
    from flowtrail_collector.sagas.model.flows import Flows

__all__ = ["apply", "diff"]

_LOOKING_SECONDS = 600.0  # every open instance is looked at twice
_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("--store", envvar="FLOWTRAIL_STORE", show_envvar=True, type=FILE_OR_URL,
              help="Read this store directly instead of asking the collector.")  # fmt: skip
@collector_options
def diff(client: CollectorClient, as_json: bool, old: Path, new: Path, store: str | None) -> int:
    """Show how many open instances would change, and how, if the flow file NEW replaced OLD.

    Nothing is written. A collector that is asked needs the write token (FLOWTRAIL_WRITE_TOKEN) where it has one.
    Exit code 1: some change. 2: a file or the store can't be used. 3: the collector can't be reached.
    """
    from flowtrail_collector.sagas.difference import difference, difference_json
    from flowtrail_collector.sagas.flow_file import load_flows

    before, after = load_flows(old), load_flows(new)
    if store is None:
        texts = {"old": old.read_text(encoding="utf-8"), "new": new.read_text(encoding="utf-8")}
        answer = client.post("/api/v1/flows/diff", texts, timeout_seconds=_LOOKING_SECONDS)
        found = answer["flows"]
    else:
        with _opened(store) as opened:
            found = difference_json(difference(opened, before, after))
    if as_json:
        print_json({"flows": found})
    else:
        _print_difference(found)
    return EXIT_FINDINGS if any(flow["changed"] for flow in found) else EXIT_OK


def _print_difference(found: list[dict[str, Any]]) -> None:
    out = console()
    if not found:
        print_words(out, "no open instance would change")
    for flow in found:
        of = counted(flow["open"], "open instance")
        print_words(out, f"{printable(flow['flow'])}: {flow['changed']} of {of} change", indent=2)
        for words, number in flow["how"].items():
            print_words(out, f"  {number:>8}  {printable(words)}", indent=12)


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--since", default="7d", show_default=True, help="Only events recorded within this time: 2h, 7d."
)
@click.option("--store", envvar="FLOWTRAIL_STORE", show_envvar=True, required=True, type=FILE_OR_URL,
              help="The collector's store: SQLite file, or postgresql://user@host/database.")  # fmt: skip
@json_option
def apply(file: Path, since: str, store: str, as_json: bool) -> int:
    """Apply a flow file to stored events: count them for flows or steps that are new since they were read.

    Each event counts once, however often this is run, and even if it is interrupted. Instances that have ended stay as
    they are. A SQLite file belongs to one process: stop its collector first. In PostgreSQL, collectors may run.
    Open instances are judged by the new file once a collector starts with it.

    Exit code 2: file or store can't be used.
    """
    from flowtrail_collector.brokers.kafka.tail.topics import TopicFilter
    from flowtrail_collector.sagas.flow_file import load_flows
    from flowtrail_collector.sagas.folding import Fold

    flows, since_ms = load_flows(file), int((time.time() - parse_duration(since)) * 1000)
    topics = TopicFilter("", "")
    with _opened(store) as opened:
        folded = Fold(opened, flows, is_copy=lambda topic: topics.kind(topic)[1]).run(since_ms)
        remarks = list(_remarks(opened, flows, folded, since_ms))
    if as_json:
        print_json({
            "flows": sorted(folded.flows), "events": folded.events, "instances": folded.instances,
            "begun": folded.begun, "left": folded.left, "without_id": folded.without_id,
            "unmapped": dict(folded.unmapped), "unread": dict(folded.unread),
            "remarks": remarks,
        })  # fmt: skip
        return EXIT_OK
    print_words(console(), _folded_words(folded), indent=2)
    for remark in remarks:
        print_complaint(printable(remark))
    return EXIT_OK


def _folded_words(folded: Folded) -> str:
    if not folded.events:
        return "nothing to add: the stored events were counted when they were read"
    return (
        f"{counted(folded.events, 'event')} added to {counted(folded.instances, 'instance')},"
        f" {folded.begun} of them new: {printable(', '.join(sorted(folded.flows)))}"
    )


def _remarks(
    store: PostgresStore | SqliteStore, flows: Flows, folded: Folded, since_ms: int
) -> Iterator[str]:
    """What can't be computed again from what is stored."""
    oldest = store.oldest_event_ms()
    if oldest is not None and oldest > since_ms:
        yield f"events are stored since {iso_time_ms(oldest)}: what came before isn't counted"
    if folded.left:
        yield f"{counted(folded.left, 'event')} of instances that have ended: those stay as they are"
    if folded.without_id:
        yield f"{counted(folded.without_id, 'event')} without what the instances of their flow have in common"
    for name, number in folded.unmapped.items():
        yield (
            f"{counted(number, 'event')} of {name}: the mapping needs headers or payloads, which aren't stored;"
            " read the topic again for that"
        )
    for name, number in folded.unread.items():
        yield (
            f"{counted(number, 'event')} of flow {name} without what it takes from payloads, which aren't stored:"
            " no id, no number, no parent"
        )
    unknown = int(store.counters("collector_records").get(("collector_records", ("unknown",)), 0))
    if flows.mapping and unknown:
        yield (
            f"{counted(unknown, 'record')} had no type when they were read, and none of them is stored: a mapping"
            " that was added since counts from then on"
        )


@contextmanager
def _opened(store: str) -> Iterator[PostgresStore | SqliteStore]:
    from flowtrail_collector.ingest.sql import store_on
    from flowtrail_collector.store.open import open_store

    location = parse_store(store)
    if isinstance(location, Path) and not location.exists():
        raise Failure(f"--store {location}: there is no such file", EXIT_USAGE)
    opened = open_store(location)
    try:
        yield store_on(opened.database)
    finally:
        opened.database.close()
