"""`flowtrail eventcatalog`."""

from __future__ import annotations

from pathlib import Path

import click

from flowtrail_collector.cli._client import CollectorClient, collector_options
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, Failure
from flowtrail_collector.cli._files import write_tree
from flowtrail_collector.cli._landscape import (
    contract_options,
    known_contracts,
    landscape_of,
    tell_missing,
    with_contracts,
)
from flowtrail_collector.cli._output import console, print_json, print_words
from flowtrail_collector.documents.eventcatalog.pages import Catalog, catalog_files
from flowtrail_collector.wording import counted


@click.group()
def eventcatalog() -> None:
    """EventCatalog's files of what flows."""


@eventcatalog.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@contract_options
@click.option("--domain", default="Events", show_default=True, help="Domain that the services belong to.")
@click.option("--owner", default="Unassigned", show_default=True, help="Team that owns everything initially.")
@collector_options
def export(
    client: CollectorClient, as_json: bool, folder: Path, contracts: str | None, registry: str | None,
    domain: str, owner: str,
) -> int:  # fmt: skip
    """Write what flows into DIR as EventCatalog files: services, events, channels and flows.

    Files that an earlier export wrote are replaced, all others stay; one that is in the way ends the export.

    Exit code 1: nothing flows. 2: a contract can't be read, or a file can't be written. 3: the collector or the
    registry can't be reached.
    """
    known = known_contracts(contracts, registry)
    landscape = landscape_of(client)
    if not landscape.topics:
        raise Failure("the collector has seen no event with a type yet", EXIT_FINDINGS)
    files = with_contracts(lambda: catalog_files(landscape, known, Catalog(domain, owner)))
    tell_missing(known, "their events have no schema")
    write_tree(folder, files)
    if as_json:
        print_json({"folder": str(folder), "files": sorted(files)})
    else:
        print_words(console(), f"{folder}: {counted(len(files), 'file')}", indent=2)
    return EXIT_OK
